/* The undo log, as disk.c writes it and cut.c plays it back. */
#ifndef POWERCUT_LOG_H
#define POWERCUT_LOG_H

#include "disk.h"

#include <limits.h>

#pragma GCC visibility push(hidden)

struct change { /* of one file's content or size */
    struct change *next, *previous;
    uint64_t ordinal;
    bool is_resize;
    off_t offset; /* of a write; the new size of a resize */
    size_t length;
    unsigned char *fresh;
    off_t size_before;
    unsigned char *old; /* what stood at offset */
    size_t old_length;
};

struct file {
    struct file *next;
    dev_t device;
    ino_t inode;
    int shadow; /* never closed: closing any descriptor of a file drops this process's POSIX locks on it */
    bool is_excluded;
    uint64_t ordinal, changes;
    struct change *first, *last;
};

enum entry_kind { CREATED, MADE_DIRECTORY, REMOVED_FILE, REMOVED_LINK, REMOVED_DIRECTORY, RENAMED, EXCHANGED };

struct entry { /* one change of a directory */
    struct entry *next, *previous;
    enum entry_kind kind;
    char *path, *to;
    struct file *file; /* the inode that lost its name */
    char *link_target;
    mode_t mode;
    bool is_durable;
};

extern char disk_folder[PATH_MAX];
extern uint64_t disk_seed;
extern struct file *disk_files;
extern struct entry *disk_first_entry, *disk_last_entry;

#pragma GCC visibility pop
#endif
