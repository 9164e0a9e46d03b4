/* A disk that fails, for the files whose path holds $EIO_READ, $EIO_WRITE or $EIO_SYNC.

Loaded before the C library (LD_PRELOAD), whose functions it calls for all other files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int chosen(int file, const char *variable) {
    const char *part = getenv(variable);
    char link[64], path[PATH_MAX];
    if (!part)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strstr(path, part) != NULL;
}

#define FAILING(variable, result, name, parameters, arguments)      \
    result name parameters {                                        \
        static result(*others) parameters;                          \
        if (!others)                                                \
            others = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (!chosen(file, variable))                                \
            return others arguments;                                \
        errno = EIO;                                                \
        return -1;                                                  \
    }

FAILING("EIO_READ", ssize_t, read, (int file, void *to, size_t size), (file, to, size))
FAILING("EIO_READ", ssize_t, readv, (int file, const struct iovec *to, int count), (file, to, count))
FAILING("EIO_READ", ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
FAILING("EIO_WRITE", ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
FAILING("EIO_WRITE", ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
FAILING("EIO_SYNC", int, fsync, (int file), (file))
