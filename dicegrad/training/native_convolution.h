/* The gradient of a convolution's kernel. The image is padded line by line as it is copied to the
 * cache, so that each step of the kernel is one offset, and each of its lines along z one vector. */

typedef struct { /* in the order in which native.py packs it */
    int64_t level, threads, batch, size[3], inputs, outputs, kernel[3];
    const float *image, *upstream; /* (B, X, Y, Z, I) and (B, X, Y, Z, O) */
    float *gradient;               /* (O, KX, KY, KZ, I) */
} KernelTask;

enum { PACKED = 1 << 14 /* values that stay in the first cache */, SLACK = 32 };
enum { MOST_PARTS = 16, VOXELS_PER_PART = 512, LEAST_LINES = 4 };

typedef struct {
    const KernelTask *task;
    int64_t columns, pitch; /* values of a kernel's line along z: all, and as they lie in a sum */
    int64_t parts, line, lines; /* line: values of a padded line of the image */
    float *sums;                /* (parts, KX, KY, O, pitch) */
} KernelPass;

/* Copy what the lines of a block need of the image, with zeros where the image ends. */
static void pack_lines(const KernelPass *pass, int64_t b, int64_t x, int64_t y, int64_t count,
                       float *to)
{
    const KernelTask *t = pass->task;
    const int64_t length = t->size[2] * t->inputs, before = t->kernel[2] / 2 * t->inputs;
    for (int64_t i = x - t->kernel[0] / 2; i <= x + t->kernel[0] / 2; i++)
        for (int64_t j = y - t->kernel[1] / 2; j < y + count + t->kernel[1] / 2; j++) {
            if (i < 0 || i >= t->size[0] || j < 0 || j >= t->size[1]) {
                memset(to, 0, (size_t)pass->line * sizeof *to);
            } else {
                const float *from = t->image + ((b * t->size[0] + i) * t->size[1] + j) * length;
                memset(to, 0, (size_t)before * sizeof *to);
                memcpy(to + before, from, (size_t)length * sizeof *to);
                memset(to + before + length, 0, (size_t)before * sizeof *to);
            }
            to += pass->line;
        }
    memset(to, 0, SLACK * sizeof *to);
}

/* Add some lines of an image's slice to the sums. */
static void add_block(const KernelPass *pass, int64_t slice, int64_t y, float *sums, float *packed)
{
    const KernelTask *t = pass->task;
    const int64_t count = y + pass->lines < t->size[1] ? pass->lines : t->size[1] - y;
    const int64_t step = t->size[2] * t->outputs;
    const Lines lines = {.count = count,
                         .length = t->size[2],
                         .inputs = t->inputs,
                         .outputs = t->outputs,
                         .image_step = pass->line,
                         .upstream_step = step};
    const float *upstream = t->upstream + (slice * t->size[1] + y) * step;
    pack_lines(pass, slice / t->size[0], slice % t->size[0], y, count, packed);
    for (int64_t i = 0; i < t->kernel[0]; i++)
        for (int64_t j = 0; j < t->kernel[1]; j++) {
            const float *image = packed + (i * (count + t->kernel[1] - 1) + j) * pass->line;
            ADD_LINES[t->level](sums, pass->pitch, pass->columns, upstream, image, &lines);
            sums += t->outputs * pass->pitch;
        }
}

static int64_t sums_of_part(const KernelPass *pass)
{
    const KernelTask *t = pass->task;
    return t->kernel[0] * t->kernel[1] * t->outputs * pass->pitch;
}

static void do_part(const void *of, int64_t part, void *packed)
{
    const KernelPass *pass = of;
    const KernelTask *t = pass->task;
    const int64_t slices = t->batch * t->size[0];
    float *sums = pass->sums + part * sums_of_part(pass);
    memset(sums, 0, (size_t)sums_of_part(pass) * sizeof *sums);
    for (int64_t i = slices * part / pass->parts; i < slices * (part + 1) / pass->parts; i++)
        for (int64_t y = 0; y < t->size[1]; y += pass->lines) add_block(pass, i, y, sums, packed);
}

/* Returns 0, or 1 if there is no memory for it. */
int dicegrad_kernel_gradient(const KernelTask *t)
{
    KernelPass pass = {.task = t, .columns = t->kernel[2] * t->inputs};
    const int64_t slices = t->batch * t->size[0], around = t->kernel[1] - 1;
    const int64_t voxels = slices * t->size[1] * t->size[2];
    pass.pitch = (pass.columns + SLACK - 1) / SLACK * SLACK;
    pass.line = (t->size[2] + t->kernel[2] - 1) * t->inputs;
    pass.lines = PACKED / (t->kernel[0] * pass.line) - around;
    pass.lines = bounded(pass.lines, LEAST_LINES, t->size[1]);
    pass.parts = bounded(bounded(voxels / VOXELS_PER_PART, 1, MOST_PARTS), 1, slices);
    const int64_t size = sums_of_part(&pass);
    if (posix_memalign((void **)&pass.sums, 64, (size_t)(pass.parts * size) * sizeof(float)))
        return 1;
    Work work = {.block = do_part, .task = &pass, .blocks = pass.parts, .threads = t->threads};
    work.scratch = (size_t)(t->kernel[0] * (pass.lines + around) * pass.line + SLACK) * sizeof(float);
    const int failed = do_work(&work);
    const int64_t steps = t->kernel[0] * t->kernel[1];
    for (int64_t part = 1; part < pass.parts && !failed; part++)
        for (int64_t i = 0; i < size; i++) pass.sums[i] += pass.sums[part * size + i];
    for (int64_t o = 0; o < t->outputs && !failed; o++)
        for (int64_t step = 0; step < steps; step++)
            memcpy(t->gradient + (o * steps + step) * pass.columns,
                   pass.sums + (step * t->outputs + o) * pass.pitch,
                   (size_t)pass.columns * sizeof(float));
    free(pass.sums);
    return failed;
}
