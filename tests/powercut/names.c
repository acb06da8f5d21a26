/* The calls that change which names a directory holds. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_LIMIT = 4096 };
#define SAME_AS(name) __attribute__((alias(#name)))

static bool watched_name(int directory, const char *path, char out[static PATH_LIMIT]) {
    int saved = errno;
    bool watched = disk_canonical(directory, path, out) && disk_watches(out);
    errno = saved;
    return watched;
}

static int open_watched(int directory, const char *path, const char *name, int flags, mode_t mode) {
    struct stat status;
    bool existed = lstat(name, &status) == 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags & ~O_TRUNC, mode);
    int saved = errno;
    if (fd < 0) return fd;
    bool truncates = (flags & O_TRUNC) && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    struct file *file = truncates ? disk_file(fd) : NULL;
    if (truncates && (file ? disk_resize(file, fd, 0) : (int)syscall(SYS_ftruncate, fd, 0)) != 0)
        disk_fail("cannot truncate on opening", name);
    if (!existed) disk_entry_created(name, false);
    if (file || !existed) disk_count();
    errno = saved;
    return fd;
}

static int open_all_kinds(int directory, const char *path, int flags, mode_t mode) {
    char name[PATH_LIMIT];
    bool changes = (flags & (O_CREAT | O_TRUNC)) && (flags & O_TMPFILE) != O_TMPFILE;
    if (!disk_armed || !changes || !path) return (int)syscall(SYS_openat, directory, path, flags, mode);
    disk_lock();
    bool watched = disk_armed && watched_name(directory, path, name);
    int fd = watched ? open_watched(directory, path, name, flags, mode)
                     : (int)syscall(SYS_openat, directory, path, flags, mode);
    int saved = errno;
    disk_unlock();
    errno = saved;
    return fd;
}

static mode_t mode_argument(int flags, va_list arguments) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_all_kinds(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) SAME_AS(open);

int openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_all_kinds(directory, path, flags, mode);
}
int openat64(int directory, const char *path, int flags, ...) SAME_AS(openat);

int creat(const char *path, mode_t mode) { return open_all_kinds(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) SAME_AS(creat);

int __open_2(const char *path, int flags) { return open_all_kinds(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) SAME_AS(__open_2);
int __openat_2(int directory, const char *path, int flags) { return open_all_kinds(directory, path, flags, 0); }
int __openat64_2(int directory, const char *path, int flags) SAME_AS(__openat_2);

static void created(int result, const char *name, bool is_directory) {
    int saved = errno;
    if (result == 0) disk_entry_created(name, is_directory);
    errno = saved;
    disk_done(result);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    char name[PATH_LIMIT];
    if (!disk_armed) return (int)syscall(SYS_mkdirat, directory, path, mode);
    disk_lock();
    bool watched = disk_armed && watched_name(directory, path, name);
    int result = (int)syscall(SYS_mkdirat, directory, path, mode);
    if (watched) created(result, name, true);
    else disk_done(-1);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int old_directory, const char *old_path, int directory, const char *path, int flags) {
    char name[PATH_LIMIT];
    if (!disk_armed) return (int)syscall(SYS_linkat, old_directory, old_path, directory, path, flags);
    disk_lock();
    bool watched = disk_armed && watched_name(directory, path, name);
    int result = (int)syscall(SYS_linkat, old_directory, old_path, directory, path, flags);
    if (watched) created(result, name, false);
    else disk_done(-1);
    return result;
}
int link(const char *old_path, const char *path) { return linkat(AT_FDCWD, old_path, AT_FDCWD, path, 0); }

int symlinkat(const char *target, int directory, const char *path) {
    char name[PATH_LIMIT];
    if (!disk_armed) return (int)syscall(SYS_symlinkat, target, directory, path);
    disk_lock();
    bool watched = disk_armed && watched_name(directory, path, name);
    int result = (int)syscall(SYS_symlinkat, target, directory, path);
    if (watched) created(result, name, false);
    else disk_done(-1);
    return result;
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

/* The target of a symbolic link, else NULL. */
static const char *link_target(const char *name, char out[static PATH_LIMIT]) {
    ssize_t length = readlink(name, out, PATH_LIMIT - 1);
    if (length >= 0) out[length] = '\0';
    return length >= 0 ? out : NULL;
}

static int remove_watched(int directory, const char *path, const char *name, int flags) {
    struct stat status = {0};
    char space[PATH_LIMIT];
    lstat(name, &status);
    const char *target = link_target(name, space);
    struct file *file = disk_hold(name);
    int result = (int)syscall(SYS_unlinkat, directory, path, flags), saved = errno;
    if (result == 0)
        disk_entry_removed(name, file, target, flags & AT_REMOVEDIR, status.st_mode & 07777);
    errno = saved;
    return result;
}

int unlinkat(int directory, const char *path, int flags) {
    char name[PATH_LIMIT];
    if (!disk_armed) return (int)syscall(SYS_unlinkat, directory, path, flags);
    disk_lock();
    bool watched = disk_armed && watched_name(directory, path, name);
    int result = watched ? remove_watched(directory, path, name, flags)
                         : (int)syscall(SYS_unlinkat, directory, path, flags);
    disk_done(watched ? result : -1);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

static bool are_one_file(const char *from, const char *to) {
    struct stat one, other;
    return lstat(from, &one) == 0 && lstat(to, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

int renameat2(int from_directory, const char *from_path, int directory, const char *path, unsigned flags) {
    char from[PATH_LIMIT], to[PATH_LIMIT], space[PATH_LIMIT];
    if (!disk_armed) return (int)syscall(SYS_renameat2, from_directory, from_path, directory, path, flags);
    int saved = errno;
    disk_lock();
    bool named = disk_armed && disk_canonical(from_directory, from_path, from) && disk_canonical(directory, path, to);
    bool watched = named && (disk_watches(from) || disk_watches(to)) && !are_one_file(from, to);
    bool replaces = watched && !(flags & RENAME_EXCHANGE);
    struct file *replaced = replaces ? disk_hold(to) : NULL;
    const char *target = replaces ? link_target(to, space) : NULL;
    errno = saved;
    int result = (int)syscall(SYS_renameat2, from_directory, from_path, directory, path, flags);
    saved = errno;
    if (watched && result == 0) disk_entry_renamed(from, to, replaced, target, flags & RENAME_EXCHANGE);
    errno = saved;
    disk_done(watched ? result : -1);
    return result;
}
int renameat(int from_directory, const char *from, int directory, const char *to) {
    return renameat2(from_directory, from, directory, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
