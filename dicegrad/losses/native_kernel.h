/* The two passes over a few voxels, for one floating-point type and one kind of processor.
 *
 * native.c includes this file once for each pair of them. Every loop runs over VOXELS voxels, a
 * number known to the compiler, in memory that is aligned and in the first-level cache; what lies
 * behind the end of the volume is filled with zeros and counts as ignored. So a result does not
 * depend on addresses or threads. There is no fast-math: NaN in gives NaN out. A loop that adds up
 * is marked `omp simd`, which lets the compiler add in lanes there and needs no OpenMP library. */

#define LOOP for (int k = 0; k < VOXELS; k++)
#define SIMD _Pragma("omp simd") LOOP
#define ROW(rows, c) ((rows) + (int64_t)(c) * VOXELS)

/* exp(x) for x <= 0: 2^n exp(r) with |r| <= ln(2)/2, and the Taylor polynomial of exp(r). Adding
 * MAGIC rounds to the nearest whole number and leaves it in the lowest bits. What would not be a
 * normal number is 0. */
static inline __attribute__((always_inline)) REAL NAME(exponential)(REAL x)
{
    REAL shifted = x * (REAL)1.4426950408889634 + MAGIC, n = shifted - MAGIC;
    REAL r = x - n * LN2_HIGH - n * LN2_LOW, p, scale;
    UINT bits;
#ifdef DOUBLE
    p = (REAL)(1.0 / 6227020800);
    p = p * r + (REAL)(1.0 / 479001600);
    p = p * r + (REAL)(1.0 / 39916800);
    p = p * r + (REAL)(1.0 / 3628800);
    p = p * r + (REAL)(1.0 / 362880);
    p = p * r + (REAL)(1.0 / 40320);
    p = p * r + (REAL)(1.0 / 5040);
#else
    p = (REAL)(1.0 / 5040);
#endif
    p = p * r + (REAL)(1.0 / 720);
    p = p * r + (REAL)(1.0 / 120);
    p = p * r + (REAL)(1.0 / 24);
    p = p * r + (REAL)(1.0 / 6);
    p = p * r + (REAL)0.5;
    p = p * r + 1;
    p = p * r + 1;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << MANTISSA) + ((UINT)BIAS << MANTISSA);
    memcpy(&scale, &bits, sizeof scale);
    return x < LOWEST ? 0 : p * scale;
}

#define COPY(TYPE, VALUE)                                                                    \
    {                                                                                        \
        const TYPE *x = (const TYPE *)from->data + offset;                                   \
        if (step == 1)                                                                       \
            for (int k = 0; k < n; k++) row[k] = (REAL)VALUE(x[k]);                          \
        else                                                                                 \
            for (int k = 0; k < n; k++) row[k] = (REAL)VALUE(x[k * step]);                   \
        break;                                                                               \
    }

/* One channel of n voxels, from any type and stride, and zeros behind it. */
static void NAME(load)(const View *from, int64_t offset, int n, REAL *restrict row)
{
    const int64_t step = from->voxel;
    switch (from->type) {
    case FLOAT32: COPY(float, )
    case FLOAT64: COPY(double, )
    case FLOAT16: COPY(uint16_t, from_half)
    case BFLOAT16: COPY(uint16_t, from_bfloat)
    case UINT8: COPY(uint8_t, )
    case INT8: COPY(int8_t, )
    case INT16: COPY(int16_t, )
    case INT32: COPY(int32_t, )
    default: COPY(int64_t, )
    }
    for (int k = n; k < VOXELS; k++) row[k] = 0;
}
#undef COPY

#define COPY(TYPE, VALUE)                                                                    \
    {                                                                                        \
        TYPE *x = (TYPE *)to->data + offset;                                                 \
        if (step == 1)                                                                       \
            for (int k = 0; k < n; k++) x[k] = VALUE(row[k]);                                \
        else                                                                                 \
            for (int k = 0; k < n; k++) x[k * step] = VALUE(row[k]);                         \
        break;                                                                               \
    }

static void NAME(store)(const View *to, int64_t offset, int n, const REAL *restrict row)
{
    const int64_t step = to->voxel;
    switch (to->type) {
    case FLOAT32: COPY(float, (float))
    case FLOAT64: COPY(double, (double))
    case FLOAT16: COPY(uint16_t, to_half)
    default: COPY(uint16_t, to_bfloat)
    }
}
#undef COPY

/* Set ignored voxels of C rows to 0, NaN too. */
static void NAME(blank)(int64_t channels, const int32_t *label, REAL *rows)
{
    for (int64_t c = 0; c < channels; c++) {
        REAL *row = ROW(rows, c);
        SIMD row[k] = label[k] == IGNORED ? 0 : row[k];
    }
}

/* Probabilities in place of what was read, C rows. Where `blank`, ignored voxels become 0, NaN too. */
static inline __attribute__((always_inline)) void NAME(activate)(const Task *t, REAL *restrict p,
                                                                 const int32_t *restrict label,
                                                                 const int blank)
{
    REAL high[VOXELS] ALIGNED, total[VOXELS] ALIGNED;
    const int channels = (int)t->channels;
    if (t->activation == NONE && blank) NAME(blank)(channels, label, p);
    if (t->activation == SIGMOID)
        for (int c = 0; c < channels; c++) {
            REAL *row = ROW(p, c);
            SIMD {
                REAL e = NAME(exponential)(-MAGNITUDE(row[k]));
                REAL value = (row[k] < 0 ? e : 1) / (1 + e);
                row[k] = blank && label[k] == IGNORED ? 0 : value;
            }
        }
    if (t->activation != SOFTMAX) return;
    memcpy(high, p, sizeof high);
    for (int c = 1; c < channels; c++) {
        const REAL *row = ROW(p, c);
        SIMD high[k] = row[k] > high[k] ? row[k] : high[k];
    }
    memset(total, 0, sizeof total);
    for (int c = 0; c < channels; c++) {
        REAL *row = ROW(p, c);
        SIMD {
            row[k] = NAME(exponential)(row[k] - high[k]);
            total[k] += row[k];
        }
    }
    SIMD total[k] = 1 / total[k];
    for (int c = 0; c < channels; c++) {
        REAL *row = ROW(p, c);
        SIMD row[k] = blank && label[k] == IGNORED ? 0 : row[k] * total[k];
    }
}

/* The rows of a batch element that some voxels need: probabilities, 0 at ignored voxels if `blank`,
 * truth and labels. Returns whether a voxel of them may be ignored. */
static int NAME(read)(const Task *t, int64_t b, int64_t start, int n, REAL *p, REAL *h,
                      int32_t *label, int64_t *unknown, int blank)
{
    const int ignored = TARGET_NAME(labels)(t, b, start, n, label, unknown);
    for (int64_t c = 0; c < t->channels; c++)
        NAME(load)(&t->y_pred, place(&t->y_pred, b, c, start), n, ROW(p, c));
    if (blank && ignored)
        NAME(activate)(t, p, label, 1);
    else
        NAME(activate)(t, p, label, 0);
    if (!t->has_labels)
        for (int64_t c = 0; c < t->channels; c++)
            NAME(load)(&t->truth, place(&t->truth, b, c, start), n, ROW(h, c));
    return ignored;
}

/* Add the rows of merged channels to those that they are merged into. */
static void NAME(merge)(int64_t channels, const int64_t *into, REAL *rows)
{
    for (int64_t c = 0; c < channels; c++) {
        const REAL *from = ROW(rows, c);
        REAL *to = ROW(rows, into[c]);
        if (into[c] != c) SIMD to[k] += from[k];
    }
}

/* The truth of one channel: a row that was read, or one made of the labels. */
static const REAL *NAME(truth)(const Task *t, int64_t c, const REAL *h, const int32_t *label,
                               REAL *restrict made)
{
    const int32_t wanted = (int32_t)(t->channels == 1 ? 1 : c); /* a single channel is label 1 */
    if (!t->has_labels) return ROW(h, c);
    SIMD made[k] = label[k] == wanted ? 1 : 0;
    return made;
}

static void NAME(extremes)(int64_t channels, const REAL *rows, double *range)
{
    REAL low[VOXELS] ALIGNED = {0}, high[VOXELS] ALIGNED = {0}; /* both are allowed */
    for (int64_t c = 0; c < channels; c++) {
        const REAL *row = ROW(rows, c);
        SIMD {
            low[k] = row[k] < low[k] ? row[k] : low[k];
            high[k] = row[k] > high[k] ? row[k] : high[k];
        }
    }
    for (int half = VOXELS / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) {
            low[k] = low[k + half] < low[k] ? low[k + half] : low[k];
            high[k] = high[k + half] > high[k] ? high[k + half] : high[k];
        }
    range[0] = low[0] < range[0] ? low[0] : range[0];
    range[1] = high[0] > range[1] ? high[0] : range[1];
}

/* First pass over n voxels: adds to sums, 3 x C, and widens the range of what should be in [0, 1]. */
static void NAME(sum)(const Task *t, int64_t b, int64_t start, int n, void *scratch, double *sums,
                      double *range, int64_t *unknown)
{
    const int64_t channels = t->channels, *into = t->into ? t->into + b * channels : NULL;
    REAL *p = scratch, *h = ROW(p, channels), made[VOXELS] ALIGNED;
    int32_t label[VOXELS] ALIGNED;
    if (NAME(read)(t, b, start, n, p, h, label, unknown, 1) && !t->has_labels)
        NAME(blank)(channels, label, h);
    if (t->activation == NONE) NAME(extremes)(channels, p, range);
    if (!t->has_labels) NAME(extremes)(channels, h, range);
    if (into) NAME(merge)(channels, into, p);
    if (into && !t->has_labels) NAME(merge)(channels, into, h);
    for (int64_t c = 0; c < channels; c++) {
        const REAL *q = ROW(p, c), *y = NAME(truth)(t, c, h, label, made);
        REAL intersection = 0, predicted = 0, true_volume = 0;
        if (into && into[c] != c) continue;
        if (t->squared)
            _Pragma("omp simd reduction(+ : intersection, predicted, true_volume)") LOOP {
                intersection += q[k] * y[k];
                predicted += q[k] * q[k];
                true_volume += y[k] * y[k];
            }
        else
            _Pragma("omp simd reduction(+ : intersection, predicted, true_volume)") LOOP {
                intersection += q[k] * y[k];
                predicted += q[k];
                true_volume += y[k];
            }
        sums[c] += intersection;
        sums[channels + c] += predicted;
        sums[2 * channels + c] += true_volume;
    }
}

/* The gradient before the activation, C rows: slope y + level, or slope y + 2 level p. */
static void NAME(before_activation)(const Task *t, int64_t b, const REAL *p, const REAL *h,
                                    const int32_t *label, REAL *g)
{
    const int64_t channels = t->channels, *into = t->into ? t->into + b * channels : NULL;
    const double *coefficients = t->coefficients + b * channels;
    REAL made[VOXELS] ALIGNED;
    if (t->squared) {
        memcpy(g, p, (size_t)channels * VOXELS * sizeof *g);
        if (into) NAME(merge)(channels, into, g);
    }
    for (int64_t c = 0; c < channels; c++) {
        const REAL *y = NAME(truth)(t, c, h, label, made);
        const REAL slope = (REAL)coefficients[c];
        const REAL level = (REAL)coefficients[t->batch * channels + c];
        REAL *row = ROW(g, c);
        if (t->squared)
            SIMD row[k] = slope * y[k] + 2 * level * row[k];
        else
            SIMD row[k] = slope * y[k] + level;
    }
}

/* The gradient of one channel, of the one before the activation: 0 at ignored voxels if `blank`,
 * whatever stands there. */
static inline __attribute__((always_inline)) void NAME(through)(
    const Task *t, const REAL *restrict p, const REAL *restrict row, const REAL *restrict mean,
    const int32_t *restrict label, REAL *restrict made, const int blank)
{
    if (t->activation == SOFTMAX)
        SIMD made[k] = p[k] * (row[k] - mean[k]);
    else if (t->activation == SIGMOID)
        SIMD made[k] = row[k] * (p[k] * (1 - p[k]));
    else
        SIMD made[k] = row[k];
    if (blank) SIMD made[k] = label[k] == IGNORED ? 0 : made[k];
}

/* Second pass over n voxels: writes the gradient of every channel. */
static void NAME(derive)(const Task *t, int64_t b, int64_t start, int n, void *scratch)
{
    const int64_t channels = t->channels, *into = t->into ? t->into + b * channels : NULL;
    REAL *p = scratch, *h = ROW(p, channels), *g = ROW(h, t->has_labels ? 0 : channels);
    REAL mean[VOXELS] ALIGNED, made[VOXELS] ALIGNED;
    int32_t label[VOXELS] ALIGNED;
    int64_t unknown = 0;
    const int ignored = NAME(read)(t, b, start, n, p, h, label, &unknown, 0);
    if (into && !t->has_labels) NAME(merge)(channels, into, h);
    NAME(before_activation)(t, b, p, h, label, g);
    if (t->activation == SOFTMAX) {
        memset(mean, 0, sizeof mean);
        for (int64_t c = 0; c < channels; c++) {
            const REAL *q = ROW(p, c), *row = ROW(g, into ? into[c] : c);
            SIMD mean[k] += q[k] * row[k];
        }
    }
    for (int64_t c = 0; c < channels; c++) {
        const REAL *q = ROW(p, c), *row = ROW(g, into ? into[c] : c);
        if (ignored)
            NAME(through)(t, q, row, mean, label, made, 1);
        else
            NAME(through)(t, q, row, mean, label, made, 0);
        NAME(store)(&t->gradient, place(&t->gradient, b, c, start), n, made);
    }
}

#undef LOOP
#undef SIMD
#undef ROW
