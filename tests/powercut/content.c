/* The calls that change or sync what files hold.
 *
 * Not seen, because they do not pass through these symbols: C stdio (fwrite), io_uring, splice, writable mappings
 * (a file that is mapped shared and writable, such as SQLite's -shm, is left as it is). */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PATH_LIMIT = 4096, COPY_LIMIT = 1 << 20 };
#define SAME_AS(name) __attribute__((alias(#name)))

static unsigned char *gathered(const struct iovec *parts, int count, size_t length) {
    unsigned char *bytes = disk_allocate(length);
    for (size_t filled = 0, take; count-- > 0 && filled < length; parts++, filled += take) {
        take = parts->iov_len < length - filled ? parts->iov_len : length - filled;
        memcpy(bytes + filled, parts->iov_base, take);
    }
    return bytes;
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    while (count-- > 0) sum += parts++->iov_len;
    return sum;
}

static ssize_t raw_write(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    if (!flags && offset < 0 && count == 1) return syscall(SYS_write, fd, parts->iov_base, parts->iov_len);
    if (!flags && offset < 0) return syscall(SYS_writev, fd, parts, (long)count);
    return syscall(SYS_pwritev2, fd, parts, (long)count, (long)offset, 0L, (long)flags);
}

/* offset -1: at the descriptor's position */
static ssize_t write_all_kinds(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    if (!disk_armed) return raw_write(fd, parts, count, offset, flags);
    int saved = errno;
    disk_lock();
    struct file *file = disk_armed ? disk_file(fd) : NULL;
    if (!file) {
        disk_unlock();
        errno = saved;
        return raw_write(fd, parts, count, offset, flags);
    }
    unsigned char *old;
    long status = syscall(SYS_fcntl, fd, F_GETFL);
    bool appends = (status & O_APPEND) || (flags & RWF_APPEND);
    off_t size, at = appends ? disk_size(file) : offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR);
    size_t old_length = disk_old_bytes(file, at, total(parts, count), &old, &size);
    errno = saved;
    ssize_t result = raw_write(fd, parts, count, offset, flags);
    saved = errno;
    if (result > 0) disk_written(file, at, gathered(parts, count, (size_t)result), (size_t)result, old,
                                 old_length < (size_t)result ? old_length : (size_t)result, size);
    else free(old);
    if (result >= 0) disk_count();
    if (result > 0 && ((status & O_DSYNC) || (flags & (RWF_DSYNC | RWF_SYNC)))) disk_file_synced(file);
    disk_unlock();
    errno = saved;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!disk_armed) return syscall(SYS_write, fd, bytes, length);
    return write_all_kinds(fd, &(struct iovec){(void *)bytes, length}, 1, -1, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    if (!disk_armed || offset < 0) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    return write_all_kinds(fd, &(struct iovec){(void *)bytes, length}, 1, offset, 0);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) SAME_AS(pwrite);

ssize_t writev(int fd, const struct iovec *parts, int count) { return write_all_kinds(fd, parts, count, -1, 0); }

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    return write_all_kinds(fd, parts, count, offset, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off_t offset, int flags) SAME_AS(pwritev2);

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    if (offset < 0) return syscall(SYS_pwritev, fd, parts, (long)count, (long)offset, 0L);
    return write_all_kinds(fd, parts, count, offset, 0);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) SAME_AS(pwritev);

/* The kernel's own copying becomes a read and a tracked write. */
static ssize_t copied(int out, off_t *out_offset, int in, off_t *in_offset, size_t length) {
    if (length > COPY_LIMIT) length = COPY_LIMIT;
    unsigned char *block = disk_allocate(length);
    ssize_t got = in_offset ? pread(in, block, length, *in_offset) : read(in, block, length);
    if (got > 0) {
        ssize_t put = out_offset ? pwrite(out, block, (size_t)got, *out_offset) : write(out, block, (size_t)got);
        if (put >= 0 && !in_offset && put < got) lseek(in, put - got, SEEK_CUR);
        if (put > 0 && in_offset) *in_offset += put;
        if (put > 0 && out_offset) *out_offset += put;
        got = put;
    }
    free(block);
    return got;
}

static bool is_watched(int fd) {
    int saved = errno;
    disk_lock();
    bool watched = disk_armed && disk_file(fd);
    disk_unlock();
    errno = saved;
    return watched;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t length) {
    if (!disk_armed || !is_watched(out)) return syscall(SYS_sendfile, out, in, offset, length);
    return copied(out, NULL, in, offset, length);
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t length) SAME_AS(sendfile);

ssize_t copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned flags) {
    if (!disk_armed || !is_watched(out))
        return syscall(SYS_copy_file_range, in, in_offset, out, out_offset, length, flags);
    return copied(out, out_offset, in, in_offset, length);
}

/* ------------------------------------------------------------------ size */

int ftruncate(int fd, off_t size) {
    if (!disk_armed) return (int)syscall(SYS_ftruncate, fd, size);
    disk_lock();
    struct file *file = disk_armed ? disk_file(fd) : NULL;
    int result = file ? disk_resize(file, fd, size) : (int)syscall(SYS_ftruncate, fd, size);
    disk_done(file ? result : -1);
    return result;
}
int ftruncate64(int fd, off_t size) SAME_AS(ftruncate);

int truncate(const char *path, off_t size) {
    if (!disk_armed) return (int)syscall(SYS_truncate, path, size);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = ftruncate(fd, size), saved = errno;
    syscall(SYS_close, fd);
    errno = saved;
    return result;
}
int truncate64(const char *path, off_t size) SAME_AS(truncate);

static int grow(int fd, struct file *file, off_t end) {
    struct stat status;
    if (fstat(fd, &status) != 0) return -1;
    return end > status.st_size ? disk_resize(file, fd, end) : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (!disk_armed || !is_watched(fd)) return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    if (mode & FALLOC_FL_KEEP_SIZE && !(mode & FALLOC_FL_PUNCH_HOLE)) return 0;
    if (mode) { /* programs fall back to writing zeros, which is tracked */
        errno = EOPNOTSUPP;
        return -1;
    }
    disk_lock();
    struct file *file = disk_file(fd);
    int result = file ? grow(fd, file, offset + length) : -1;
    disk_done(result);
    return result;
}
int fallocate64(int fd, int mode, off_t offset, off_t length) SAME_AS(fallocate);

int posix_fallocate(int fd, off_t offset, off_t length) {
    int saved = errno, error = fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
    errno = saved;
    return error;
}
int posix_fallocate64(int fd, off_t offset, off_t length) SAME_AS(posix_fallocate);

/* ------------------------------------------------------------------ sync */

/* A watched file is not really synced: the page cache outlives the kill, and 300 cases should not take minutes. */
static int sync_watched(int fd, long call) {
    if (!disk_armed) return (int)syscall(call, fd);
    struct stat status;
    char path[PATH_LIMIT];
    int saved = errno;
    disk_lock();
    struct file *file = disk_armed ? disk_file(fd) : NULL;
    bool directory = disk_armed && !file && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) &&
                     disk_path_of(fd, path) && disk_watches(path);
    if (file || directory) disk_count(); /* the power fails during the sync, before anything of it is durable */
    if (file) disk_file_synced(file);
    if (directory) disk_directory_synced(path);
    disk_unlock();
    errno = saved;
    return file || directory ? 0 : (int)syscall(call, fd);
}

int fsync(int fd) { return sync_watched(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_watched(fd, SYS_fdatasync); }

int sync_file_range(int fd, off_t offset, off_t length, unsigned flags) { /* promises nothing, so nothing changes */
    if (!disk_armed) return (int)syscall(SYS_sync_file_range, fd, offset, length, flags);
    disk_lock();
    disk_done(disk_armed && disk_file(fd) ? 0 : -1);
    return 0;
}

static void everything_synced(void) {
    disk_lock();
    if (disk_armed) {
        disk_count();
        disk_all_synced();
    }
    disk_unlock();
}

void sync(void) {
    if (!disk_armed) syscall(SYS_sync);
    else everything_synced();
}

int syncfs(int fd) {
    if (!disk_armed) return (int)syscall(SYS_syncfs, fd);
    everything_synced();
    return 0;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (disk_armed && fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {
        int saved = errno;
        disk_lock();
        struct file *file = disk_armed ? disk_file(fd) : NULL;
        if (file) disk_exclude(file);
        disk_unlock();
        errno = saved;
    }
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) SAME_AS(mmap);
