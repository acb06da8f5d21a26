/* What a simulated disk has not made durable yet, and the power cut that takes it away. */
#ifndef POWERCUT_DISK_H
#define POWERCUT_DISK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden)

/* How durable a change of a directory (create, link, rename, unlink, mkdir, rmdir) is. */
enum directory_model {
    DIRECTORIES_DURABLE = 0,   /* at once: only file content can be lost */
    DIRECTORIES_JOURNALED = 1, /* with the next fsync of any file or directory (ext4, xfs, btrfs) */
    DIRECTORIES_STRICT = 2,    /* with an fsync of that directory only (what POSIX promises) */
};

struct file; /* one inode under the watched folder, held open by a descriptor of our own */

extern volatile bool disk_armed;

void disk_arm(const char *folder, uint64_t seed, uint64_t cut_at);
void disk_disarm(void);
void disk_set_directory_model(enum directory_model model);
uint64_t disk_operations(void); /* tracked operations since arming */
uint64_t disk_unsynced(void);   /* changes that a cut could still take away */

void disk_lock(void);
void disk_unlock(void); /* cuts the power first, when a signal asked for it meanwhile */
void disk_cut_from_signal(void);
_Noreturn void disk_cut(void); /* the caller holds the lock */
void disk_done(ssize_t result); /* unlock, counting the operation unless it failed; errno stays */
void disk_count(void);         /* one tracked operation is done; cuts the power when it was the last one */

/* Paths are canonical. All of these want the lock. */
bool disk_watches(const char *path);
bool disk_canonical(int directory, const char *path, char out[static 4096]);
bool disk_path_of(int descriptor, char out[static 4096]);
struct file *disk_file(int descriptor);              /* NULL: not a regular file under the folder */
struct file *disk_hold(const char *path);            /* the same by path; NULL: not a regular file */
void disk_exclude(struct file *file);                /* mapped writable: its content is not ours to judge */
off_t disk_size(const struct file *file);
size_t disk_old_bytes(struct file *file, off_t offset, size_t length, unsigned char **old, off_t *size);
void disk_written(struct file *file, off_t offset, unsigned char *fresh, size_t length, unsigned char *old,
                  size_t old_length, off_t size_before);
void disk_resized(struct file *file, off_t size, unsigned char *old, size_t old_length, off_t size_before);
int disk_resize(struct file *file, int descriptor, off_t size); /* ftruncate, remembered */
void disk_file_synced(struct file *file);
void disk_directory_synced(const char *path);
void disk_all_synced(void);

void disk_entry_created(const char *path, bool is_directory);
void disk_entry_removed(const char *path, struct file *file, const char *link_target, bool is_directory, mode_t mode);
void disk_entry_renamed(const char *from, const char *to, struct file *replaced, const char *replaced_link_target,
                        bool is_exchange);

void *disk_allocate(size_t size);
_Noreturn void disk_fail(const char *what, const char *path);

#pragma GCC visibility pop
#endif
