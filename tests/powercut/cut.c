/* The power cut: every file goes back to its last synced state, and a seeded choice of what came after is written
 * again, so that what stays is a state a power loss could leave:
 *   - a sector (512 bytes) is atomic and holds its content of one moment: a write that survives in a sector brings
 *     along every earlier write to that sector, because the page cache held them together;
 *   - a change of size is kept when anything written after it is kept, because the file's map is journaled in order;
 *   - changes of directories survive as a prefix of their order.
 * Nothing here allocates memory, so it may run in a signal handler. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SECTOR = 512, PAGE = 4096 };

/* ------------------------------------------------------------------ chance, from the seed alone */

static uint64_t mixed(uint64_t value) { /* splitmix64 */
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static uint64_t chance(uint64_t a, uint64_t b, uint64_t c) { return mixed(mixed(mixed(mixed(disk_seed) ^ a) ^ b) ^ c); }

enum { MOOD = 1u << 20, FATE, GRAIN, SHAPE, BOUNDARY, UNIT, ENTRIES };

static bool everything_is_lost(void) { return chance(MOOD, 0, 0) % 8 == 0; }
static bool everything_is_kept(void) { return chance(MOOD, 0, 0) % 8 == 1; }
static uint64_t keep_percent(void) { return 20 + chance(MOOD, 1, 0) % 61; }

static bool torn_part_is_kept(uint64_t id, off_t sector, const struct change *change) {
    off_t grain = chance(GRAIN, id, 0) % 2 ? SECTOR : PAGE;
    off_t first = change->offset / grain, last = (change->offset + (off_t)change->length - 1) / grain;
    off_t unit = sector * SECTOR / grain;
    off_t boundary = first + (off_t)(chance(BOUNDARY, id, 0) % (uint64_t)(last - first + 1));
    switch (chance(SHAPE, id, 0) % 3) {
    case 0: return unit < boundary;
    case 1: return unit >= boundary;
    default: return chance(UNIT, id, (uint64_t)unit) % 2;
    }
}

static bool survives(const struct file *file, const struct change *change, off_t sector) {
    if (everything_is_lost() || everything_is_kept()) return everything_is_kept();
    uint64_t id = mixed(file->ordinal) ^ change->ordinal, fate = chance(FATE, id, 0) % 100;
    if (fate < keep_percent()) return true;
    if (change->is_resize || fate % 2) return false;
    return torn_part_is_kept(id, sector, change);
}

/* ------------------------------------------------------------------ the cut */

static void put(const struct file *file, const unsigned char *bytes, size_t length, off_t offset) {
    for (size_t done = 0; done < length;) {
        long put = syscall(SYS_pwrite64, file->shadow, bytes + done, length - done, offset + (off_t)done);
        if (put <= 0) disk_fail("cannot write while cutting the power", disk_folder);
        done += (size_t)put;
    }
}

static void resize(const struct file *file, off_t size) {
    if (syscall(SYS_ftruncate, file->shadow, size) != 0) disk_fail("cannot resize while cutting the power", disk_folder);
}

static void return_to_last_sync(const struct file *file) {
    for (const struct change *change = file->last; change; change = change->previous) {
        resize(file, change->size_before);
        put(file, change->old, change->old_length, change->offset);
    }
}

static bool covers(const struct change *change, off_t sector) {
    return !change->is_resize && change->offset < (sector + 1) * SECTOR &&
           change->offset + (off_t)change->length > sector * SECTOR;
}

static bool sector_is_kept(const struct file *file, const struct change *change, off_t sector) {
    for (; change; change = change->next)
        if (covers(change, sector) && survives(file, change, sector)) return true;
    return false;
}

static bool anything_is_kept(const struct file *file, const struct change *change) {
    for (; change; change = change->next) {
        if (change->is_resize && survives(file, change, 0)) return true;
        for (off_t sector = change->offset / SECTOR; !change->is_resize && covers(change, sector); sector++)
            if (survives(file, change, sector)) return true;
    }
    return false;
}

static void write_survivors(const struct file *file, const struct change *change) {
    off_t end = change->offset + (off_t)change->length;
    for (off_t sector = change->offset / SECTOR; sector * SECTOR < end; sector++) {
        off_t from = sector * SECTOR > change->offset ? sector * SECTOR : change->offset;
        off_t to = (sector + 1) * SECTOR < end ? (sector + 1) * SECTOR : end;
        if (sector_is_kept(file, change, sector))
            put(file, change->fresh + (from - change->offset), (size_t)(to - from), from);
    }
}

static void cut_content(const struct file *file) {
    return_to_last_sync(file);
    for (const struct change *change = file->first; change; change = change->next) {
        if (!change->is_resize) write_survivors(file, change);
        else if (anything_is_kept(file, change)) resize(file, change->offset);
    }
}

static void copy_back(const struct file *file, const char *path) {
    unsigned char block[PAGE * 4];
    struct stat status;
    if (fstat(file->shadow, &status) != 0) disk_fail("cannot stat a removed file", path);
    int copy = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (copy < 0) disk_fail("cannot bring back a removed file", path);
    ssize_t got;
    for (off_t offset = 0; (got = pread(file->shadow, block, sizeof block, offset)) > 0; offset += got)
        if (syscall(SYS_pwrite64, copy, block, (size_t)got, offset) != got) disk_fail("cannot bring back", path);
    struct timespec times[2] = {status.st_atim, status.st_mtim};
    if (got < 0 || fchmod(copy, status.st_mode & 07777) != 0 || fchown(copy, status.st_uid, status.st_gid) != 0 ||
        futimens(copy, times) != 0)
        disk_fail("cannot bring back all of a removed file", path);
}

static void name_again(const struct file *file, const char *path) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file->shadow);
    if (syscall(SYS_linkat, AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0) copy_back(file, path);
}

static bool undo_entry(const struct entry *entry) {
    switch (entry->kind) {
    case CREATED: return syscall(SYS_unlinkat, AT_FDCWD, entry->path, 0) == 0;
    case MADE_DIRECTORY: /* a socket or a pipe in it is not on the disk and keeps it */
        return syscall(SYS_unlinkat, AT_FDCWD, entry->path, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY;
    case REMOVED_FILE: return name_again(entry->file, entry->path), true;
    case REMOVED_LINK: return syscall(SYS_symlinkat, entry->link_target, AT_FDCWD, entry->path) == 0;
    case REMOVED_DIRECTORY: return syscall(SYS_mkdirat, AT_FDCWD, entry->path, entry->mode) == 0;
    case EXCHANGED:
        return syscall(SYS_renameat2, AT_FDCWD, entry->path, AT_FDCWD, entry->to, RENAME_EXCHANGE) == 0;
    case RENAMED:
        if (syscall(SYS_renameat2, AT_FDCWD, entry->to, AT_FDCWD, entry->path, 0) != 0) return false;
        if (entry->file) name_again(entry->file, entry->to);
        return !entry->link_target || syscall(SYS_symlinkat, entry->link_target, AT_FDCWD, entry->to) == 0;
    }
    return false;
}

static void cut_directories(void) {
    uint64_t count = 0;
    for (const struct entry *entry = disk_first_entry; entry; entry = entry->next) count++;
    uint64_t kept = everything_is_lost() ? 0 : everything_is_kept() ? count : chance(ENTRIES, 0, 0) % (count + 1);
    const struct entry *entry = disk_last_entry;
    for (; count > kept; count--, entry = entry->previous)
        if (!undo_entry(entry)) disk_fail("cannot undo a change of a directory", entry->path);
}

_Noreturn void disk_cut(void) {
    disk_armed = false;
    for (const struct file *file = disk_files; file; file = file->next) cut_content(file);
    cut_directories();
    pid_t self = getpid(); /* a group's leader takes along what it started, as a power cut would */
    syscall(SYS_kill, getpgrp() == self ? 0 : self, SIGKILL);
    for (;;) pause();
}
