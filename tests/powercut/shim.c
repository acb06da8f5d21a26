/* A preload library that cuts the power of one process: what a test calls. See cut.c for the model, content.c and
 * names.c for the calls that it takes the place of, __init__.py for its use. */
#include "disk.h"

#include <signal.h>
#include <stdlib.h>

/* Watch `folder`; cut the power at tracked operation number `cut_at` (0: only when told to). */
void powercut_arm(const char *folder, uint64_t seed, uint64_t cut_at) { disk_arm(folder, seed, cut_at); }
void powercut_disarm(void) { disk_disarm(); }
void powercut_directories(int model) { disk_set_directory_model((enum directory_model)model); }
uint64_t powercut_operations(void) { return disk_operations(); }
uint64_t powercut_unsynced(void) { return disk_unsynced(); }

_Noreturn void powercut_now(void) {
    disk_lock();
    disk_cut();
}

static void on_signal(int number) {
    (void)number;
    disk_cut_from_signal();
}

static unsigned long long number(const char *name) {
    const char *text = getenv(name);
    char *end;
    unsigned long long value = text ? strtoull(text, &end, 10) : 0;
    if (text && (*text == '\0' || *end != '\0')) disk_fail("this variable must be a whole number", name);
    return value;
}

/* Arm from the environment, and take the order out of it, so that programs started from here are not armed too. */
__attribute__((constructor)) static void arm_from_environment(void) {
    static const char *const names[] = {"POWERCUT_FOLDER", "POWERCUT_SEED", "POWERCUT_AT", "POWERCUT_DIRECTORIES",
                                        "POWERCUT_SIGNAL"};
    const char *folder = getenv("POWERCUT_FOLDER");
    if (!folder) return;
    powercut_directories((int)number("POWERCUT_DIRECTORIES"));
    int signal_number = (int)number("POWERCUT_SIGNAL");
    if (signal_number) sigaction(signal_number, &(struct sigaction){.sa_handler = on_signal}, NULL);
    disk_arm(folder, number("POWERCUT_SEED"), number("POWERCUT_AT"));
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) unsetenv(names[at]);
}
