/* The two passes over the voxels as native code, see native.py for what they compute.
 *
 * The volume is cut into blocks of a fixed size. The sums of a block are added in a fixed order and
 * kept apart, and at the end all are added in the order of the blocks. So a result is the same to the
 * bit at any number of threads. */

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "native_work.h"

enum { FLOAT32, FLOAT64, FLOAT16, BFLOAT16, UINT8, INT8, INT16, INT32, INT64 };
enum { NONE, SIGMOID, SOFTMAX };
enum { IGNORED = -1, UNKNOWN = -2 }; /* labels */
enum { VOXELS = 256, BLOCK = 32 * VOXELS };

#define ALIGNED __attribute__((aligned(64)))

typedef struct { /* a tensor: its memory, its type, and its strides in values */
    char *data;
    int64_t type, row, channel, voxel;
} View;

typedef struct { /* in the order in which native.py packs it, 8 bytes each */
    int64_t batch, channels, voxels, activation, squared, has_labels, has_ignore, ignore;
    int64_t level, threads;
    View y_pred, truth, mask, gradient;
    const int64_t *into;         /* (B, C), or NULL */
    const double *coefficients;  /* (2, B, C), for the second pass */
    double *sums;                /* (3, B, C), of the first pass */
    double *tail;                /* its lowest, highest, and labels without a channel */
} Task;

static inline int64_t place(const View *view, int64_t row, int64_t channel, int64_t voxel)
{
    return row * view->row + channel * view->channel + voxel * view->voxel;
}

static inline float as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t as_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float from_bfloat(uint16_t value) { return as_float((uint32_t)value << 16); }

/* To the nearest, ties to even. NaN keeps its upper bits, of which one is set. */
static inline uint16_t to_bfloat(float value)
{
    const uint32_t bits = as_bits(value), rounded = bits + 0x7fff + ((bits >> 16) & 1);
    return (uint16_t)((value != value ? bits | 0x400000 : rounded) >> 16);
}

/* The bits of a half, moved to where a float has them, are the value times 2^-112. A subnormal half
 * becomes a normal number with the exponent of 2^-14, of which that is subtracted. */
static inline float from_half(uint16_t value)
{
    const uint32_t moved = (uint32_t)(value & 0x7fff) << 13, exponent = moved & 0x0f800000;
    const uint32_t normal = moved + (112u << 23) + (exponent == 0x0f800000 ? 112u << 23 : 0);
    const float subnormal = as_float(moved + (113u << 23)) - as_float(113u << 23);
    const uint32_t bits = exponent == 0 ? as_bits(subnormal) : normal;
    return as_float(bits | (uint32_t)(value & 0x8000) << 16);
}

/* To the nearest, ties to even; what is too large becomes infinite. */
static inline uint16_t to_half(float value)
{
    const uint32_t bits = as_bits(value), size = bits & 0x7fffffff;
    const uint32_t normal = (size - (112u << 23) + 0xfff + ((size >> 13) & 1)) >> 13;
    const uint32_t subnormal = as_bits(as_float(size) + 0.5f) - as_bits(0.5f);
    uint32_t half = size < 113u << 23 ? subnormal : normal;
    half = size >= 0x477ff000 ? 0x7c00 : half; /* 65520 and above */
    half = size > 0x7f800000 ? 0x7e00 : half;  /* NaN */
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

#define NAME(name) JOINED(JOINED(name, SUFFIX), LEVEL)
#define TARGET_NAME(name) JOINED(name, LEVEL)

#define LEVEL_FILE "native_level.h"
#include "native_levels.h"

typedef void Sum(const Task *, int64_t, int64_t, int, void *, double *, double *, int64_t *);
typedef void Derive(const Task *, int64_t, int64_t, int, void *);

#if defined(__x86_64__)
static Sum *const SUM[3][2] = {{sum_float_baseline, sum_double_baseline},
                               {sum_float_avx2, sum_double_avx2},
                               {sum_float_avx512, sum_double_avx512}};
static Derive *const DERIVE[3][2] = {{derive_float_baseline, derive_double_baseline},
                                     {derive_float_avx2, derive_double_avx2},
                                     {derive_float_avx512, derive_double_avx512}};
#else
static Sum *const SUM[1][2] = {{sum_float_baseline, sum_double_baseline}};
static Derive *const DERIVE[1][2] = {{derive_float_baseline, derive_double_baseline}};
#endif

/* Changes with Task, so that a library built from other source is not used. */
int dicegrad_interface(void) { return 3; }

/* The highest level that this processor has and the system saves the registers of. Asked of the
 * processor itself: some compilers leave the answers of __builtin_cpu_supports empty. */
int dicegrad_level(void)
{
#if defined(__x86_64__)
    enum { FMA = 1 << 12, SAVES = 1 << 27, HAS_AVX2 = 1 << 5 };
    const unsigned wide = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* AVX-512 F, DQ, BW, VL */
    unsigned a, b, c, d, saved, unused;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & FMA) || !(c & SAVES)) return BASELINE;
    __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & HAS_AVX2)) return BASELINE;
    if ((saved & 0x06) != 0x06) return BASELINE;
    return (b & wide) == wide && (saved & 0xe6) == 0xe6 ? AVX512 : AVX2;
#else
    return BASELINE;
#endif
}

typedef struct {
    const Task *task;
    int64_t record;  /* values that a block leaves: 3 C sums, lowest, highest, unknown */
    double *records; /* NULL in the second pass */
} Pass;

static void do_block(const void *of, int64_t block, void *scratch)
{
    const Pass *pass = of;
    const Task *t = pass->task;
    const int64_t per_row = (t->voxels + BLOCK - 1) / BLOCK;
    const int64_t b = block / per_row, first = block % per_row * BLOCK;
    const int64_t end = first + BLOCK < t->voxels ? first + BLOCK : t->voxels;
    const int is_double = t->y_pred.type == FLOAT64;
    double *record = pass->records ? pass->records + block * pass->record : NULL;
    int64_t unknown = 0;
    for (int64_t start = first; start < end; start += VOXELS) {
        const int n = (int)(end - start < VOXELS ? end - start : VOXELS);
        if (record)
            SUM[t->level][is_double](t, b, start, n, scratch, record, record + pass->record - 3,
                                     &unknown);
        else
            DERIVE[t->level][is_double](t, b, start, n, scratch);
    }
    if (record) record[pass->record - 1] = (double)unknown;
}

static int64_t blocks_of(const Task *t) { return (t->voxels + BLOCK - 1) / BLOCK * t->batch; }

/* Returns 0, or 1 if there is no memory for scratch. */
static int run(const Pass *pass)
{
    const Task *t = pass->task;
    const int64_t value = t->y_pred.type == FLOAT64 ? 8 : 4;
    Work work = {.block = do_block, .task = pass, .blocks = blocks_of(t), .threads = t->threads};
    work.scratch = (size_t)(3 * t->channels * VOXELS * value);
    return do_work(&work);
}

/* Whether a channel joins one that does not exist or joins another itself. */
static int joins_nothing(const Task *t)
{
    for (int64_t i = 0; t->into && i < t->batch * t->channels; i++) {
        const int64_t *row = t->into + i / t->channels * t->channels, to = t->into[i];
        if (to < 0 || to >= t->channels || row[to] != to) return 1;
    }
    return 0;
}

/* First pass: fills task->sums and task->tail. Returns 0, or 1 if there is no memory for it, or 2 if
 * task->into is wrong. */
int dicegrad_sums(const Task *t)
{
    if (joins_nothing(t)) return 2;
    const int64_t per_row = (t->voxels + BLOCK - 1) / BLOCK, sums = 3 * t->channels;
    Pass pass = {.task = t, .record = sums + 3};
    pass.records = calloc((size_t)(blocks_of(t) * pass.record), sizeof *pass.records);
    if (!pass.records || run(&pass)) {
        free(pass.records);
        return 1;
    }
    memset(t->sums, 0, (size_t)(sums * t->batch) * sizeof *t->sums);
    memset(t->tail, 0, 3 * sizeof *t->tail);
    for (int64_t block = 0; block < blocks_of(t); block++) {
        const double *record = pass.records + block * pass.record;
        for (int64_t i = 0; i < 3; i++)
            for (int64_t c = 0; c < t->channels; c++)
                t->sums[(i * t->batch + block / per_row) * t->channels + c] +=
                    record[i * t->channels + c];
        t->tail[0] = record[sums] < t->tail[0] ? record[sums] : t->tail[0];
        t->tail[1] = record[sums + 1] > t->tail[1] ? record[sums + 1] : t->tail[1];
        t->tail[2] += record[sums + 2];
    }
    free(pass.records);
    return 0;
}

/* Fresh memory of many small pages costs more than the gradient: ask for huge ones, of 2 MiB. */
static void ask_for_huge_pages(const Task *t)
{
#ifdef MADV_HUGEPAGE
    static const int64_t bytes[] = {4, 8, 2, 2}, page = 1 << 21;
    const int64_t size = t->batch * t->channels * t->voxels * bytes[t->gradient.type];
    const int64_t address = (int64_t)(intptr_t)t->gradient.data;
    const int64_t first = (address + page - 1) / page * page, end = (address + size) / page * page;
    if (end > first) madvise((void *)(intptr_t)first, (size_t)(end - first), MADV_HUGEPAGE);
#else
    (void)t;
#endif
}

/* Second pass: fills task->gradient. Returns as the first. */
int dicegrad_gradient(const Task *t)
{
    if (joins_nothing(t)) return 2;
    const Pass pass = {.task = t};
    ask_for_huge_pages(t);
    return run(&pass);
}
