/* Instance normalisation and activation, and their gradients: a pass for the sums, and one for what is
 * written. */

typedef struct { /* in the order in which native.py packs it */
    int64_t level, threads, batch, channels, voxels;
    double eps;
    const float *image;                 /* (B, voxels, C), as are upstream and out */
    const float *weight, *bias, *slope; /* (C) */
    float *mean, *inverse;              /* (B, C): mean, and 1 / standard deviation */
    const float *upstream;              /* NULL on the way forward */
    float *out;       /* the normalised maps, or the gradient of the image */
    double *pushes;   /* (3, C): gradients of weight, bias and slope */
} NormTask;

enum { VALUES = 1 << 15 /* of a block */ };

typedef struct {
    const NormTask *task;
    int64_t period, voxels, per_case; /* voxels of a block, and blocks of a case */
    double *sums;                     /* (B per_case, 3, C), or NULL while out is written */
    const double *totals;             /* (B, 3, C) */
} NormPass;

static void repeat(float *to, const float *from, const NormPass *pass)
{
    const int64_t channels = pass->task->channels;
    for (int64_t j = 0; j < pass->period; j += channels)
        memcpy(to + j, from, (size_t)channels * sizeof *to);
}

/* What the inner loops need, for case b. */
static Periods periods_of(const NormPass *pass, int64_t b, float *scratch)
{
    const NormTask *t = pass->task;
    const int64_t n = pass->period, row = b * t->channels;
    Periods p = {n, scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, scratch + 4 * n,
                 scratch + 5 * n, scratch + 6 * n};
    repeat(p.mean, t->mean + row, pass);
    repeat(p.bias, t->bias, pass);
    repeat(p.slope, t->slope, pass);
    for (int64_t j = 0; j < n; j++) {
        const int64_t c = j % t->channels;
        p.scale[j] = t->inverse[row + c] * t->weight[c];
        if (!pass->totals) continue;
        const double *total = pass->totals + 3 * row, inverse = t->inverse[row + c];
        const double share = -(double)p.scale[j] / (double)t->voxels;
        p.first[j] = (float)(share * inverse * inverse * total[t->channels + c]);
        p.second[j] = (float)(share * total[c]);
    }
    return p;
}

/* Add what the floats have summed to the sums of the block, and start them again. */
static void flush(const NormPass *pass, const Periods *p, double *sums)
{
    const int64_t channels = pass->task->channels;
    float *const parts[3] = {p->first, p->second, p->third};
    for (int64_t i = 0; i < 3; i++)
        for (int64_t j = 0; j < p->length; j++) {
            sums[i * channels + j % channels] += parts[i][j];
            parts[i][j] = 0;
        }
}

static void do_norm(const void *of, int64_t block, void *scratch)
{
    const NormPass *pass = of;
    const NormTask *t = pass->task;
    const int64_t b = block / pass->per_case, first = block % pass->per_case * pass->voxels;
    const int64_t end = first + pass->voxels < t->voxels ? first + pass->voxels : t->voxels;
    const int64_t from = (b * t->voxels + first) * t->channels, size = (end - first) * t->channels;
    const Periods p = periods_of(pass, b, scratch);
    const float *x = t->image + from, *up = t->upstream ? t->upstream + from : NULL;
    if (!pass->sums) {
        if (up)
            DERIVE[t->level](x, up, t->out + from, size, &p);
        else
            NORMALISE[t->level](x, t->out + from, size, &p);
        return;
    }
    double *sums = pass->sums + block * 3 * t->channels;
    memset(p.first, 0, (size_t)(3 * p.length) * sizeof(float));
    memset(sums, 0, (size_t)(3 * t->channels) * sizeof *sums);
    for (int64_t start = 0; start < size; start += LONGEST_RUN * p.length) {
        const int64_t run = bounded(LONGEST_RUN * p.length, 1, size - start);
        if (up)
            ADD_PUSHES[t->level](x + start, up + start, run, &p);
        else
            ADD_MOMENTS[t->level](x + start, run, &p);
        flush(pass, &p, sums);
    }
}

static int run_norm(const NormPass *pass)
{
    const NormTask *t = pass->task;
    Work work = {.block = do_norm, .task = pass, .threads = t->threads};
    work.blocks = t->batch * pass->per_case;
    work.scratch = (size_t)(ARRAYS * pass->period) * sizeof(float);
    return do_work(&work);
}

/* Sums per case and channel, (B, 3, C), in the order of the blocks. Returns 1 if memory fails. */
static int total_up(NormPass *pass, double *totals)
{
    const NormTask *t = pass->task;
    const int64_t sums = 3 * t->channels, blocks = t->batch * pass->per_case;
    pass->sums = malloc((size_t)(blocks * sums) * sizeof *pass->sums);
    const int failed = !pass->sums || run_norm(pass);
    memset(totals, 0, (size_t)(t->batch * sums) * sizeof *totals);
    for (int64_t block = 0; block < blocks && !failed; block++)
        for (int64_t i = 0; i < sums; i++)
            totals[block / pass->per_case * sums + i] += pass->sums[block * sums + i];
    free(pass->sums);
    pass->sums = NULL;
    return failed;
}

/* A first guess of the mean: that of the first voxels. Moments about it lose no digits. */
static void guess_mean(const NormTask *t)
{
    enum { FEW = 64 };
    const int64_t voxels = t->voxels < FEW ? t->voxels : FEW;
    for (int64_t b = 0; b < t->batch; b++)
        for (int64_t c = 0; c < t->channels; c++) {
            double sum = 0;
            for (int64_t v = 0; v < voxels; v++)
                sum += t->image[(b * t->voxels + v) * t->channels + c];
            t->mean[b * t->channels + c] = (float)(sum / (double)voxels);
            t->inverse[b * t->channels + c] = 0;
        }
}

static void settle_moments(const NormTask *t, const double *totals)
{
    for (int64_t b = 0; b < t->batch; b++)
        for (int64_t c = 0; c < t->channels; c++) {
            const double *total = totals + 3 * b * t->channels, n = (double)t->voxels;
            const double shift = total[c] / n, square = total[t->channels + c] / n;
            const double variance = square - shift * shift;
            t->mean[b * t->channels + c] += (float)shift;
            t->inverse[b * t->channels + c] =
                (float)(1 / sqrt((variance < 0 ? 0 : variance) + t->eps));
        }
}

static void settle_pushes(const NormTask *t, const double *totals)
{
    const int64_t channels = t->channels;
    memset(t->pushes, 0, (size_t)(3 * channels) * sizeof *t->pushes);
    for (int64_t b = 0; b < t->batch; b++)
        for (int64_t c = 0; c < channels; c++) {
            const double *total = totals + 3 * b * channels + c;
            t->pushes[c] += t->inverse[b * channels + c] * total[channels];
            t->pushes[channels + c] += total[0];
            t->pushes[2 * channels + c] += total[2 * channels];
        }
}

/* Forward, or backward where there is an upstream. Returns 0, or 1 if there is no memory for it. */
int dicegrad_norm(const NormTask *t)
{
    NormPass pass = {.task = t, .period = t->channels};
    while (pass.period < SHORTEST_PERIOD) pass.period += t->channels;
    const int64_t repeats = pass.period / t->channels, periods = VALUES / pass.period;
    pass.voxels = repeats * (periods < 1 ? 1 : periods);
    pass.per_case = (t->voxels + pass.voxels - 1) / pass.voxels;
    double *totals = malloc((size_t)(3 * t->batch * t->channels) * sizeof *totals);
    if (!totals) return 1;
    if (!t->upstream) guess_mean(t);
    int failed = total_up(&pass, totals);
    if (!failed && t->upstream) {
        settle_pushes(t, totals);
        pass.totals = totals;
    } else if (!failed) {
        settle_moments(t, totals);
    }
    failed = failed || run_norm(&pass);
    free(totals);
    return failed;
}
