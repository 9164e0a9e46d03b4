/* Reading of labels, for one kind of processor: native.c includes this file once for each. */

#define READ(TYPE, WIDE)                                                                     \
    {                                                                                        \
        const TYPE *y = (const TYPE *)t->truth.data + offset;                                \
        const WIDE limit = (WIDE)(channels > 2 ? channels : 2), ignore = (WIDE)t->ignore;    \
        const int has_ignore = t->has_ignore && (int64_t)ignore == t->ignore;                \
        for (int k = 0; k < n; k++) {                                                        \
            const WIDE value = (WIDE)y[k * step];                                            \
            const int32_t known = ((value >= 0) & (value < limit)) ? (int32_t)value : UNKNOWN; \
            const int32_t found = (has_ignore & (value == ignore)) ? IGNORED : known;          \
            const int8_t gone = masked && !kept[k * kept_step] ? IGNORED : 0;                  \
            label[k] = found | (int32_t)gone; /* in bytes first: all bits are IGNORED */       \
            unknown += label[k] == UNKNOWN;                                                    \
        }                                                                                    \
        break;                                                                               \
    }

/* The same for labels of a byte, of which a register holds four times as many. */
#define READ_BYTES(TYPE)                                                                     \
    {                                                                                        \
        const TYPE *y = (const TYPE *)t->truth.data + offset, ignore = (TYPE)t->ignore;      \
        const uint8_t limit = (uint8_t)(channels > 2 ? channels : 2);                        \
        const int has_ignore = t->has_ignore && ignore == t->ignore;                         \
        int8_t found[VOXELS] ALIGNED;                                                        \
        for (int k = 0; k < n; k++) {                                                        \
            const TYPE value = y[k * step];                                                  \
            const int8_t known = (uint8_t)value < limit ? (int8_t)value : UNKNOWN;           \
            const int8_t or_ignored = has_ignore && value == ignore ? IGNORED : known;       \
            found[k] = or_ignored | (masked && !kept[k * kept_step] ? IGNORED : 0);          \
        }                                                                                    \
        for (int k = 0; k < n; k++) {                                                        \
            label[k] = found[k];                                                             \
            unknown += label[k] == UNKNOWN;                                                  \
        }                                                                                    \
        break;                                                                               \
    }

/* Returns the number of labels without a channel; those that a mask leaves out do no harm. */
static inline __attribute__((always_inline)) int32_t TARGET_NAME(read_labels)(
    const Task *t, int64_t offset, int64_t step, const uint8_t *restrict kept, int64_t kept_step,
    int n, int32_t *restrict label, const int masked)
{
    const int64_t channels = t->channels;
    int32_t unknown = 0;
    const int few = channels <= INT8_MAX;
    switch (t->truth.type) {
    case UINT8: if (few) READ_BYTES(uint8_t) else READ(uint8_t, int32_t)
    case INT8: if (few) READ_BYTES(int8_t) else READ(int8_t, int32_t)
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
    const int64_t offset = place(&t->truth, b, 0, start), step = t->truth.voxel;
    const int64_t kept_step = t->mask.voxel;
    const uint8_t *kept = NULL;
    if (t->mask.data) kept = (const uint8_t *)t->mask.data + place(&t->mask, b, 0, start);
    /* in most blocks a mask that leaves out a region leaves out nothing */
    const int masked = kept && !(kept_step == 1 && !memchr(kept, 0, (size_t)n));
    int32_t wrong = 0;
    if (n < VOXELS || !t->has_labels)
        for (int k = 0; k < VOXELS; k++) label[k] = k < n ? 0 : IGNORED;
    if (t->has_labels) { /* the usual cases are said by themselves, so that each is compiled */
        if (step == 1 && !masked)
            wrong = TARGET_NAME(read_labels)(t, offset, 1, NULL, 0, n, label, 0);
        else if (step == 1 && kept_step == 1)
            wrong = TARGET_NAME(read_labels)(t, offset, 1, kept, 1, n, label, 1);
        else if (masked)
            wrong = TARGET_NAME(read_labels)(t, offset, step, kept, kept_step, n, label, 1);
        else
            wrong = TARGET_NAME(read_labels)(t, offset, step, NULL, 0, n, label, 0);
    } else if (masked) {
        for (int k = 0; k < n; k++) label[k] = kept[k * kept_step] ? 0 : IGNORED;
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
