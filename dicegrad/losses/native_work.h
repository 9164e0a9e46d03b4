/* Work that is cut into blocks, done by threads, and what an instruction set is called.
 *
 * Threads take one block after the other. They are started for a piece of work and end with it: none
 * is left that a fork could lose. What a block leaves is its own, so that a result does not depend on
 * who took it. */

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { BASELINE, AVX2, AVX512 }; /* levels, in the order of native.py */
enum { MOST_THREADS = 64 };

#define JOIN(a, b) a##_##b
#define JOINED(a, b) JOIN(a, b)

typedef struct {
    void (*block)(const void *task, int64_t block, void *scratch);
    const void *task;
    int64_t blocks, threads;
    size_t scratch;       /* bytes that each thread needs beside its blocks */
    int64_t next, failed; /* shared by the threads */
} Work;

static void *take_blocks(void *argument)
{
    Work *work = argument;
    void *scratch = NULL;
    if (posix_memalign(&scratch, 64, work->scratch + 64)) {
        __atomic_store_n(&work->failed, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    for (;;) {
        const int64_t block = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
        if (block >= work->blocks) break;
        work->block(work->task, block, scratch);
    }
    free(scratch);
    return NULL;
}

/* Do all blocks, in this thread and as many more as are wanted and can be had. Returns 0, or 1 if a
 * thread had no memory for its scratch. */
static int do_work(Work *work)
{
    pthread_t others[MOST_THREADS];
    int started = 0;
    int64_t wanted = work->threads < work->blocks ? work->threads : work->blocks;
    if (wanted > MOST_THREADS) wanted = MOST_THREADS;
    while (started < wanted - 1 && !pthread_create(&others[started], NULL, take_blocks, work))
        started++;
    take_blocks(work);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
    return (int)work->failed;
}
