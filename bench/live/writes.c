/* writes DEVICE AREA LENGTH RATE WINDOW: writes of LENGTH bytes, one after another, anywhere in the first AREA MiB of a device, past its page
 * cache; RATE KiB a second by the clock, so that a slow write is made up for. Half of each block is not compressible. For each WINDOW
 * seconds one line, "@window {...}": how many, microseconds of the slowest, how many milliseconds the clock was ahead of it at the end, and
 * how many took how long: times below 64 microseconds one by one, those above in 64 steps for each doubling. RATE 0: says empty windows. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BINS (64 * 27)
#define POOL (4u << 20)
#define BLOCK 4096u

static uint64_t state = 1;

static uint64_t next(void) {
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
}

static void wait_until(uint64_t at) {
    const struct timespec until = {(time_t)(at / 1000000), (long)(at % 1000000) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {}
}

static unsigned bin(uint32_t took) {
    const unsigned doublings = took < 64 ? 0 : 25 - (unsigned)__builtin_clz(took);
    return 64 * doublings + (took >> doublings);
}

int main(int count, char **arguments) {
    static uint32_t took[BINS];
    if (count != 6) return 2;
    const uint64_t area = strtoull(arguments[2], NULL, 10) << 20, length = strtoull(arguments[3], NULL, 10);
    const uint64_t rate = strtoull(arguments[4], NULL, 10) << 10, window = strtoull(arguments[5], NULL, 10) * 1000000;
    const int device = open(arguments[1], O_RDWR | O_DIRECT);
    unsigned char *pool;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (device < 0 || posix_memalign((void **)&pool, BLOCK, POOL + length)) {
        printf("@error writes: %s: %s\n", arguments[1], strerror(errno));
        return 1;
    }
    memset(pool, 0, POOL + length);
    for (uint64_t block = 0; block < (POOL + length) / BLOCK; block++)
        for (unsigned i = 0; i < BLOCK / 2; i += 8) *(uint64_t *)(pool + block * BLOCK + i) = next();

    for (uint64_t began = now(), due = began, end = began;;) {
        size_t done = 0;
        uint32_t most = 0;
        memset(took, 0, sizeof took);
        end += window;
        while (rate && due < end) {
            unsigned char *data = pool + next() % (POOL / BLOCK) * BLOCK;
            for (uint64_t at = 0; at < length; at += BLOCK) *(uint64_t *)(data + at) = next();
            wait_until(due);
            const uint64_t before = now();
            if (pwrite(device, data, length, (off_t)(next() % (area / length) * length)) != (ssize_t)length) {
                printf("@error writes: %s\n", strerror(errno));
                return 1;
            }
            const uint32_t spent = (uint32_t)(now() - before);
            took[bin(spent)]++;
            most = spent > most ? spent : most;
            done++;
            due += length * 1000000 / rate;
        }
        wait_until(end);
        printf("@window {\"writes\": %zu, \"most\": %" PRIu32 ", \"late\": %" PRIu64 ", \"took\": [", done, most, (now() - end) / 1000);
        const char *comma = "";
        for (unsigned number = 0; number < BINS; number++)
            if (took[number]) {
                printf("%s[%u,%" PRIu32 "]", comma, number, took[number]);
                comma = ",";
            }
        printf("]}\n");
    }
}
