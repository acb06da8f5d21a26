/* What is watched, and the undo log of a simulated disk: every change since the last sync, with what it replaced. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHIM_FAILED = 97 };

volatile bool disk_armed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t cut_is_pending;
char disk_folder[PATH_MAX];
static size_t folder_length;
uint64_t disk_seed;
static uint64_t cut_at, operations, unsynced, files_seen;
static enum directory_model directories = DIRECTORIES_JOURNALED;
struct file *disk_files;
struct entry *disk_first_entry, *disk_last_entry;

/* ------------------------------------------------------------------ failing loudly */

_Noreturn void disk_fail(const char *what, const char *path) {
    char text[PATH_MAX + 200];
    int length = snprintf(text, sizeof text, "powercut: %s: %s (errno %d)\n", what, path, errno);
    syscall(SYS_write, STDERR_FILENO, text, (size_t)length);
    _exit(SHIM_FAILED);
}

void *disk_allocate(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) disk_fail("out of memory for the undo log", disk_folder);
    return memory;
}

static char *copy_of(const char *text) { return text ? strcpy(disk_allocate(strlen(text) + 1), text) : NULL; }

/* ------------------------------------------------------------------ what is watched */

bool disk_watches(const char *path) {
    return strncmp(path, disk_folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == '\0');
}

bool disk_path_of(int descriptor, char out[static PATH_MAX]) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    if (length < 0) return false;
    out[length] = '\0';
    return true;
}

bool disk_canonical(int directory, const char *path, char out[static PATH_MAX]) {
    char parent[PATH_MAX];
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    size_t start = length;
    while (start > 0 && path[start - 1] != '/') start--;
    if (length == 0 || length >= PATH_MAX) return false;
    memcpy(parent, path, start);
    parent[start] = '\0';
    int opened = (int)syscall(SYS_openat, directory, start ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return false;
    bool known = disk_path_of(opened, out);
    syscall(SYS_close, opened);
    size_t used = known ? strlen(out) : 0;
    if (!known || used + 2 + length - start > PATH_MAX) return false;
    if (out[used - 1] != '/') out[used++] = '/';
    memcpy(out + used, path + start, length - start);
    out[used + length - start] = '\0';
    return true;
}

static struct file *known_file(const struct stat *status) {
    for (struct file *file = disk_files; file; file = file->next)
        if (file->inode == status->st_ino && file->device == status->st_dev) return file;
    return NULL;
}

static struct file *new_file(const struct stat *status, const char *by_path) {
    struct file *file = disk_allocate(sizeof *file);
    int shadow = (int)syscall(SYS_openat, AT_FDCWD, by_path, O_RDWR | O_CLOEXEC);
    if (shadow < 0) shadow = (int)syscall(SYS_openat, AT_FDCWD, by_path, O_RDONLY | O_CLOEXEC);
    if (shadow < 0) disk_fail("cannot open a second descriptor of a watched file", by_path);
    *file = (struct file){
        .next = disk_files, .device = status->st_dev, .inode = status->st_ino, .shadow = shadow, .ordinal = files_seen++};
    return disk_files = file;
}

struct file *disk_file(int descriptor) {
    struct stat status;
    char path[PATH_MAX], link[32];
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    struct file *file = known_file(&status);
    if (file) return file->is_excluded ? NULL : file;
    if (!disk_path_of(descriptor, path) || !disk_watches(path)) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    return new_file(&status, link);
}

struct file *disk_hold(const char *path) {
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    struct file *file = known_file(&status);
    return file ? file : new_file(&status, path);
}

/* ------------------------------------------------------------------ the log of contents */

static void forget_changes(struct file *file) {
    for (struct change *change = file->first, *next; change; change = next) {
        next = change->next;
        free(change->fresh);
        free(change->old);
        free(change);
        unsynced--;
    }
    file->first = file->last = NULL;
}

void disk_exclude(struct file *file) {
    forget_changes(file);
    file->is_excluded = true;
}

off_t disk_size(const struct file *file) {
    struct stat status;
    if (fstat(file->shadow, &status) != 0) disk_fail("cannot read the size of a watched file", disk_folder);
    return status.st_size;
}

size_t disk_old_bytes(struct file *file, off_t offset, size_t length, unsigned char **old, off_t *size) {
    *size = disk_size(file);
    *old = NULL;
    if (offset >= *size) return 0;
    if ((uintmax_t)length > (uintmax_t)(*size - offset)) length = (size_t)(*size - offset);
    *old = disk_allocate(length);
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(file->shadow, *old + done, length - done, offset + (off_t)done);
        if (got <= 0) disk_fail("cannot read the bytes that a write replaces", disk_folder);
        done += (size_t)got;
    }
    return length;
}

static void append_change(struct file *file, struct change change) {
    struct change *stored = disk_allocate(sizeof *stored);
    *stored = change;
    stored->ordinal = file->changes++;
    stored->previous = file->last;
    if (file->last) file->last->next = stored;
    else file->first = stored;
    file->last = stored;
    unsynced++;
}

void disk_written(struct file *file, off_t offset, unsigned char *fresh, size_t length, unsigned char *old,
                  size_t old_length, off_t size_before) {
    append_change(file, (struct change){.offset = offset, .length = length, .fresh = fresh, .old = old,
                                        .old_length = old_length, .size_before = size_before});
}

void disk_resized(struct file *file, off_t size, unsigned char *old, size_t old_length, off_t size_before) {
    append_change(file, (struct change){.is_resize = true, .offset = size, .old = old, .old_length = old_length,
                                        .size_before = size_before});
}

int disk_resize(struct file *file, int descriptor, off_t size) {
    unsigned char *old;
    off_t before;
    size_t old_length = disk_old_bytes(file, size < 0 ? 0 : size, SSIZE_MAX, &old, &before);
    int result = (int)syscall(SYS_ftruncate, descriptor, size);
    if (result == 0) disk_resized(file, size, old, old_length, before);
    else free(old);
    return result;
}

/* ------------------------------------------------------------------ the log of directories */

static void append_entry(struct entry entry) {
    if (directories == DIRECTORIES_DURABLE) return;
    struct entry *stored = disk_allocate(sizeof *stored);
    *stored = entry;
    stored->path = copy_of(entry.path);
    stored->to = copy_of(entry.to);
    stored->link_target = copy_of(entry.link_target);
    stored->previous = disk_last_entry;
    if (disk_last_entry) disk_last_entry->next = stored;
    else disk_first_entry = stored;
    disk_last_entry = stored;
    unsynced++;
}

void disk_entry_created(const char *path, bool is_directory) {
    append_entry((struct entry){.kind = is_directory ? MADE_DIRECTORY : CREATED, .path = (char *)path});
}

void disk_entry_removed(const char *path, struct file *file, const char *link_target, bool is_directory, mode_t mode) {
    enum entry_kind kind = is_directory ? REMOVED_DIRECTORY : link_target ? REMOVED_LINK : REMOVED_FILE;
    if (kind == REMOVED_FILE && !file) return; /* a socket or a pipe: nothing of it is on a disk */
    append_entry((struct entry){
        .kind = kind, .path = (char *)path, .file = file, .link_target = (char *)link_target, .mode = mode});
}

void disk_entry_renamed(const char *from, const char *to, struct file *replaced, const char *replaced_link_target,
                        bool is_exchange) {
    append_entry((struct entry){.kind = is_exchange ? EXCHANGED : RENAMED,
                                .path = (char *)from,
                                .to = (char *)to,
                                .file = replaced,
                                .link_target = (char *)replaced_link_target});
}

static bool is_inside(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static bool is_entry_of(const char *path, const char *directory) {
    return path && is_inside(path, directory) && !strchr(path + strlen(directory) + 1, '/');
}

static bool overlaps(const char *one, const char *other) {
    return one && other && (strcmp(one, other) == 0 || is_inside(one, other) || is_inside(other, one));
}

static bool depends_on(const struct entry *later, const struct entry *earlier) {
    return overlaps(later->path, earlier->path) || overlaps(later->path, earlier->to) ||
           overlaps(later->to, earlier->path) || overlaps(later->to, earlier->to);
}

static bool becomes_durable(const struct entry *entry, const char *directory) {
    if (is_entry_of(entry->path, directory) || is_entry_of(entry->to, directory)) return true;
    if (entry->kind == MADE_DIRECTORY && strcmp(entry->path, directory) == 0) return true;
    for (const struct entry *later = entry->next; later; later = later->next)
        if (later->is_durable && depends_on(later, entry)) return true;
    return false;
}

static void forget_entry(struct entry *entry) {
    if (entry->previous) entry->previous->next = entry->next;
    else disk_first_entry = entry->next;
    if (entry->next) entry->next->previous = entry->previous;
    else disk_last_entry = entry->previous;
    free(entry->path);
    free(entry->to);
    free(entry->link_target);
    free(entry);
    unsynced--;
}

void disk_directory_synced(const char *path) {
    for (struct entry *entry = disk_last_entry; entry; entry = entry->previous)
        entry->is_durable = directories == DIRECTORIES_JOURNALED || becomes_durable(entry, path);
    for (struct entry *entry = disk_first_entry, *next; entry; entry = next) {
        next = entry->next;
        if (entry->is_durable) forget_entry(entry);
    }
}

void disk_file_synced(struct file *file) {
    forget_changes(file);
    if (directories == DIRECTORIES_JOURNALED) disk_directory_synced(disk_folder);
}

void disk_all_synced(void) {
    for (struct file *file = disk_files; file; file = file->next) forget_changes(file);
    while (disk_first_entry) forget_entry(disk_first_entry);
}

/* ------------------------------------------------------------------ locking and counting */

void disk_lock(void) { pthread_mutex_lock(&mutex); }

void disk_unlock(void) {
    if (cut_is_pending) disk_cut();
    pthread_mutex_unlock(&mutex);
    if (cut_is_pending && pthread_mutex_trylock(&mutex) == 0) disk_cut();
}

void disk_cut_from_signal(void) {
    cut_is_pending = 1;
    if (pthread_mutex_trylock(&mutex) == 0) disk_cut();
}

void disk_count(void) {
    if (++operations == cut_at) disk_cut();
}

void disk_done(ssize_t result) {
    int saved = errno;
    if (result >= 0) disk_count();
    disk_unlock();
    errno = saved;
}

/* ------------------------------------------------------------------ arming */

static void forget_everything(void) {
    disk_all_synced();
    for (struct file *file = disk_files, *next; file; file = next) {
        next = file->next;
        free(file);
    }
    disk_files = NULL;
    operations = files_seen = 0;
}

void disk_arm(const char *watched, uint64_t new_seed, uint64_t new_cut_at) {
    disk_lock();
    forget_everything();
    if (!realpath(watched, disk_folder)) disk_fail("cannot watch this folder", watched);
    folder_length = strlen(disk_folder);
    disk_seed = new_seed;
    cut_at = new_cut_at;
    disk_armed = true;
    disk_unlock();
}

void disk_disarm(void) {
    disk_lock();
    disk_armed = false;
    forget_everything();
    disk_unlock();
}

void disk_set_directory_model(enum directory_model model) { directories = model; }
uint64_t disk_operations(void) { return operations; }
uint64_t disk_unsynced(void) { return unsynced; }

static void leave_to_the_parent(void) { /* a forked child starts with an empty log and writes unwatched */
    pthread_mutex_init(&mutex, NULL);
    disk_armed = false;
    for (struct file *file = disk_files; file; file = file->next) syscall(SYS_close, file->shadow);
    forget_everything();
}

static void release(void) { pthread_mutex_unlock(&mutex); }

__attribute__((constructor)) static void register_fork_handlers(void) {
    pthread_atfork(disk_lock, release, leave_to_the_parent);
}
