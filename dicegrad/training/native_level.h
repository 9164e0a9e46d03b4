/* The inner loops on one kind of processor: native.c includes this file once for each, with the
 * number of floats that its registers hold in LANES. */

#define VECTOR NAME(vector)
typedef float VECTOR __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 8")
#endif

/* acc[a][j] += the sum over all voxels of upstream[voxel][a] * image[voxel][j], for `high` values of
 * a and `wide` vectors of j, which stay in registers. */
static inline __attribute__((always_inline)) void NAME(add_tile)(
    const int high, const int wide, float *acc, int64_t pitch, const float *upstream,
    const float *image, const Lines *lines)
{
    VECTOR sum[8][2];
    UNROLLED for (int a = 0; a < high; a++)
        UNROLLED for (int j = 0; j < wide; j++)
            sum[a][j] = *(const VECTOR *)(acc + a * pitch + j * LANES);
    for (int64_t line = 0; line < lines->count; line++) {
        const float *up = upstream + line * lines->upstream_step;
        const float *at = image + line * lines->image_step;
        for (int64_t v = 0; v < lines->length; v++, up += lines->outputs, at += lines->inputs) {
            VECTOR value[2];
            UNROLLED for (int j = 0; j < wide; j++) value[j] = *(const VECTOR *)(at + j * LANES);
            UNROLLED for (int a = 0; a < high; a++)
                UNROLLED for (int j = 0; j < wide; j++) sum[a][j] += up[a] * value[j];
        }
    }
    UNROLLED for (int a = 0; a < high; a++)
        UNROLLED for (int j = 0; j < wide; j++)
            *(VECTOR *)(acc + a * pitch + j * LANES) = sum[a][j];
}

/* The same for all outputs, a multiple of 4, and `columns` of j. A vector that reaches over the last
 * column adds to values of acc that nobody reads. */
static void NAME(add_lines)(float *acc, int64_t pitch, int64_t columns, const float *upstream,
                            const float *image, const Lines *lines)
{
    int64_t j = 0, a = 0;
    for (; j + LANES < columns; j += 2 * LANES)
        for (int64_t row = 0; row < lines->outputs; row += 4)
            NAME(add_tile)(4, 2, acc + row * pitch + j, pitch, upstream + row, image + j, lines);
    if (j >= columns) return;
    for (; a + 8 <= lines->outputs; a += 8)
        NAME(add_tile)(8, 1, acc + a * pitch + j, pitch, upstream + a, image + j, lines);
    if (a < lines->outputs)
        NAME(add_tile)(4, 1, acc + a * pitch + j, pitch, upstream + a, image + j, lines);
}

#define EACH_PLACE(j, n) _Pragma("omp simd") for (int64_t j = 0; j < n; j++)

/* Sums of the distance to a guess of the mean, and of its square, per place in the period. */
static void NAME(add_moments)(const float *x, int64_t size, const Periods *p)
{
    for (int64_t start = 0; start < size; start += p->length) {
        const int64_t n = size - start < p->length ? size - start : p->length;
        EACH_PLACE(j, n) {
            const float distance = x[start + j] - p->mean[j];
            p->first[j] += distance;
            p->second[j] += distance * distance;
        }
    }
}

static void NAME(normalise)(const float *x, float *out, int64_t size, const Periods *p)
{
    for (int64_t start = 0; start < size; start += p->length) {
        const int64_t n = size - start < p->length ? size - start : p->length;
        EACH_PLACE(j, n) {
            const float value = (x[start + j] - p->mean[j]) * p->scale[j] + p->bias[j];
            const float below = value * p->slope[j];
            out[start + j] = value > 0 ? value : below;
        }
    }
}

/* Sums over the gradient of the normalised values: its own, times the centred image, and that of the
 * slope. */
static void NAME(add_pushes)(const float *x, const float *upstream, int64_t size, const Periods *p)
{
    for (int64_t start = 0; start < size; start += p->length) {
        const int64_t n = size - start < p->length ? size - start : p->length;
        EACH_PLACE(j, n) {
            const float centred = x[start + j] - p->mean[j], above = upstream[start + j];
            const float value = centred * p->scale[j] + p->bias[j];
            const float below = above * p->slope[j], push = value > 0 ? above : below;
            const float of_slope = above * value;
            p->first[j] += push;
            p->second[j] += push * centred;
            p->third[j] += value > 0 ? 0 : of_slope;
        }
    }
}

/* The parts that change mean or variance of a channel are removed from the gradient. */
static void NAME(derive)(const float *x, const float *upstream, float *out, int64_t size,
                         const Periods *p)
{
    for (int64_t start = 0; start < size; start += p->length) {
        const int64_t n = size - start < p->length ? size - start : p->length;
        EACH_PLACE(j, n) {
            const float centred = x[start + j] - p->mean[j], above = upstream[start + j];
            const float value = centred * p->scale[j] + p->bias[j];
            const float below = above * p->slope[j], push = value > 0 ? above : below;
            out[start + j] = push * p->scale[j] + (centred * p->first[j] + p->second[j]);
        }
    }
}

#undef UNROLLED
#undef EACH_PLACE
#undef VECTOR
