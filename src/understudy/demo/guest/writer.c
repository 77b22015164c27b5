/* writer RUN PAUSE-MS FILE...: writes records to the files in turn and says "@ack N" only after fsync has returned for number N.
 *
 * Records go to the files round-robin, so a restored set of disks is only right if all of them stopped at one instant: when number n is
 * there, every smaller one must be, whichever disk it is on. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <stddef.h>

#include "record.h"

static void give_up(const char *what) {
    printf("@error writer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void put(int file, const void *data, uint64_t size, uint64_t offset) {
    while (size > 0) {
        ssize_t done = pwrite(file, data, size, (off_t)offset);
        if (done < 0) give_up("pwrite");
        data = (const char *)data + done;
        size -= (uint64_t)done;
        offset += (uint64_t)done;
    }
}

/* Half of every 64 bytes is noise and half repeats, as data of real machines compresses about two to one. */
static void fill(void *data, uint64_t magic, uint64_t run, uint64_t number, uint64_t size) {
    struct header *header = data;
    uint64_t *words = data;
    for (uint64_t i = 0; i < size / sizeof *words; i++) words[i] = i & 4 ? number : mix(run ^ mix(number + (i << 40)));
    header->magic = magic;
    header->run = run;
    header->number = number;
    header->size = size;
    header->checksum = checksum_of(data, size);
}

static uint64_t newest_number(int file, uint64_t run) {
    static uint64_t slot[BLOCK / sizeof(uint64_t)];
    uint64_t newest = 0;
    for (unsigned i = 0; i < HEAD_SLOTS; i++) {
        const struct header *head = (const void *)slot;
        if (pread(file, slot, BLOCK, (off_t)i * BLOCK) == BLOCK && is_sound(slot, HEAD_MAGIC, run, BLOCK) && head->number > newest)
            newest = head->number;
    }
    return newest;
}

int main(int count, char **arguments) {
    static uint64_t buffer[LARGEST_RECORD / sizeof(uint64_t)];
    if (count < 4) return 2;
    const uint64_t run = strtoull(arguments[1], NULL, 16);
    const long gap = atol(arguments[2]) * 1000000L;
    const unsigned files = (unsigned)count - 3;
    int file[16];
    uint64_t number = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (files > sizeof file / sizeof file[0]) return 2;
    for (unsigned i = 0; i < files; i++) {
        file[i] = open(arguments[3 + i], O_RDWR | O_CREAT, 0600);
        if (file[i] < 0) give_up(arguments[3 + i]);
        uint64_t newest = newest_number(file[i], run);
        if (newest > number) number = newest;
    }
    printf("@writing from %" PRIu64 "\n", number + 1);

    for (;;) {
        number++;
        const uint64_t k = (number - 1) / files;
        const int target = file[(number - 1) % files];
        fill(buffer, RECORD_MAGIC, run, number, record_size(k));
        put(target, buffer, record_size(k), record_offset(k));
        fill(buffer, HEAD_MAGIC, run, number, BLOCK);
        put(target, buffer, BLOCK, k % HEAD_SLOTS * BLOCK);
        if (fsync(target) != 0) give_up("fsync");
        printf("@ack %" PRIu64 "\n", number);
        if (gap > 0) nanosleep(&(struct timespec){gap / 1000000000L, gap % 1000000000L}, NULL);
    }
}
