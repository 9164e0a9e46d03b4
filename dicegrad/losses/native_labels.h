/* Reading of labels, for one kind of processor: native.c includes this file once for each. */

#define READ(TYPE, WIDE)                                                                     \
    {                                                                                        \
        const TYPE *y = (const TYPE *)t->truth.data + offset;                                \
        const WIDE limit = (WIDE)(channels > 2 ? channels : 2), ignore = (WIDE)t->ignore;    \
        const int has_ignore = t->has_ignore && (int64_t)ignore == t->ignore;                \
        for (int k = 0; k < n; k++) {                                                        \
            const WIDE value = (WIDE)y[k * step];                                            \
            const int32_t known = ((value >= 0) & (value < limit)) ? (int32_t)value : UNKNOWN; \
            label[k] = (has_ignore & (value == ignore)) ? IGNORED : known;                     \
            unknown += label[k] == UNKNOWN;                                                    \
        }                                                                                    \
        break;                                                                               \
    }

/* Returns the number of labels without a channel. */
static inline __attribute__((always_inline)) int32_t TARGET_NAME(read_labels)(
    const Task *t, int64_t offset, int64_t step, int n, int32_t *restrict label)
{
    const int64_t channels = t->channels;
    int32_t unknown = 0;
    switch (t->truth.type) {
    case UINT8: READ(uint8_t, int32_t)
    case INT8: READ(int8_t, int32_t)
    case INT16: READ(int16_t, int32_t)
    case INT32: READ(int32_t, int32_t)
    default: READ(int64_t, int64_t)
    }
    return unknown;
}
#undef READ

/* The labels of n voxels, IGNORED where a mask or the ignored label says so and behind the end, and
 * each replaced by what it is merged into. Adds the labels without a channel to `unknown`, and
 * returns whether a voxel is ignored. */
static int TARGET_NAME(labels)(const Task *t, int64_t b, int64_t start, int n, int32_t *label,
                               int64_t *unknown)
{
    const int64_t *into = t->into ? t->into + b * t->channels : NULL;
    int32_t wrong = 0;
    if (n < VOXELS || !t->has_labels)
        for (int k = 0; k < VOXELS; k++) label[k] = k < n ? 0 : IGNORED;
    if (t->has_labels) {
        const int64_t offset = place(&t->truth, b, 0, start);
        if (t->truth.voxel == 1) /* said once more, so that the compiler makes a case of it */
            wrong = TARGET_NAME(read_labels)(t, offset, 1, n, label);
        else
            wrong = TARGET_NAME(read_labels)(t, offset, t->truth.voxel, n, label);
    }
    int masked = t->mask.data != NULL;
    if (masked) {
        const uint8_t *kept = (const uint8_t *)t->mask.data + place(&t->mask, b, 0, start);
        if (t->mask.voxel == 1 && !memchr(kept, 0, (size_t)n))
            masked = 0; /* as in most blocks, where a mask leaves out a region */
        else if (t->mask.voxel == 1)
            for (int k = 0; k < n; k++) label[k] = kept[k] ? label[k] : IGNORED;
        else
            for (int k = 0; k < n; k++) label[k] = kept[k * t->mask.voxel] ? label[k] : IGNORED;
    }
    if (wrong && masked) { /* those that the mask leaves out do no harm */
        wrong = 0;
        for (int k = 0; k < n; k++) wrong += label[k] == UNKNOWN;
    }
    *unknown += wrong;
    if (into && t->has_labels && t->channels > 1)
        for (int32_t c = 0; c < t->channels; c++) { /* each joins one that stays */
            const int32_t to = (int32_t)into[c];
            if (to != c)
                for (int k = 0; k < VOXELS; k++) label[k] = label[k] == c ? to : label[k];
        }
    return masked || (t->has_ignore && t->has_labels) || n < VOXELS;
}
