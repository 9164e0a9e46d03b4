/* Two layers of a network as native code, see native.py for what they compute.
 *
 * The work is cut into blocks by the shape alone. What a block leaves is added up in the order of
 * the blocks, so that a result is the same to the bit at any number of threads. */

#include <math.h>
#include <string.h>

#include "../losses/native_work.h"

#define NAME(name) JOINED(name, LEVEL)

typedef struct { /* lines of voxels along the last axis, in values */
    int64_t count, length, inputs, outputs, image_step, upstream_step;
} Lines;

/* Channels repeat along the memory of a map. A period is some voxels long, for long inner loops, and
 * each array holds a value for each place in it. */
typedef struct {
    int64_t length;
    float *mean, *scale, *bias, *slope, *first, *second, *third;
} Periods;
enum { ARRAYS = 7, SHORTEST_PERIOD = 64, LONGEST_RUN = 128 /* periods that a float adds up */ };

#define LEVEL_FILE "../training/native_level.h"
#include "../losses/native_levels.h"

typedef void AddLines(float *, int64_t, int64_t, const float *, const float *, const Lines *);
typedef void AddMoments(const float *, int64_t, const Periods *);
typedef void Normalise(const float *, float *, int64_t, const Periods *);
typedef void AddPushes(const float *, const float *, int64_t, const Periods *);
typedef void Derive(const float *, const float *, float *, int64_t, const Periods *);

#if defined(__x86_64__)
#define LEVELS(name) {name##_baseline, name##_avx2, name##_avx512}
#else
#define LEVELS(name) {name##_baseline}
#endif
static AddLines *const ADD_LINES[] = LEVELS(add_lines);
static AddMoments *const ADD_MOMENTS[] = LEVELS(add_moments);
static Normalise *const NORMALISE[] = LEVELS(normalise);
static AddPushes *const ADD_PUSHES[] = LEVELS(add_pushes);
static Derive *const DERIVE[] = LEVELS(derive);

static int64_t bounded(int64_t value, int64_t lowest, int64_t highest)
{
    return value < lowest ? lowest : value > highest ? highest : value;
}

#include "native_convolution.h"
#include "native_norm.h"

/* Changes with the two tasks, so that a library built from other source is not used. */
int dicegrad_interface(void) { return 1; }
