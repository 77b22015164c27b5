/* checker RUN FSCK-CODES FILE...: reads every record back and prints one line, "@verdict {...}".
 *
 *   fsck      what e2fsck answered for each disk, as given
 *   highest   the largest number whose record is sound; the writer starts number n + 1 only after n was acknowledged, so everything
 *             below the highest was acknowledged too
 *   present   how many of 1..highest are sound
 *   missing   how many of them are not there (zeroes, or beyond the file's end); corrupt: there, but not sound
 *   bad       the first few numbers that are missing or corrupt
 *   torn      places after the highest that hold something unsound: writes that were under way, never acknowledged
 *   head      the newest number that a head slot names
 *   bytes     read and checked
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "record.h"

enum { ABSENT, UNSOUND, SOUND };

static void give_up(const char *what) {
    printf("@error checker: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Past the end of the file reads as zeroes: a place that was never written. */
static void get(int file, void *data, uint64_t size, uint64_t offset) {
    memset(data, 0, size);
    while (size > 0) {
        ssize_t done = pread(file, data, size, (off_t)offset);
        if (done < 0) give_up("pread");
        if (done == 0) return;
        data = (char *)data + done;
        size -= (uint64_t)done;
        offset += (uint64_t)done;
    }
}

static int is_zero(const uint64_t *words, uint64_t size) {
    for (uint64_t i = 0; i < size / sizeof *words; i++)
        if (words[i]) return 0;
    return 1;
}

int main(int count, char **arguments) {
    static uint64_t buffer[LARGEST_RECORD / sizeof(uint64_t)];
    const struct header *header = (const void *)buffer;
    if (count < 4) return 2;
    const uint64_t run = strtoull(arguments[1], NULL, 16);
    const unsigned files = (unsigned)count - 3;
    int file[16];
    uint64_t places = 0, head = 0, bytes = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (files > sizeof file / sizeof file[0]) return 2;
    for (unsigned i = 0; i < files; i++) {
        file[i] = open(arguments[3 + i], O_RDONLY);
        if (file[i] < 0) give_up(arguments[3 + i]);
        off_t end = lseek(file[i], 0, SEEK_END);
        uint64_t k = 0;
        while (record_offset(k) < (uint64_t)end) k++;
        if (k * files > places) places = k * files;
        for (unsigned slot = 0; slot < HEAD_SLOTS; slot++) {
            get(file[i], buffer, BLOCK, (uint64_t)slot * BLOCK);
            if (is_sound(buffer, HEAD_MAGIC, run, BLOCK) && header->number > head) head = header->number;
        }
    }

    unsigned char *state = calloc(places + 1, 1);
    if (!state) give_up("calloc");
    uint64_t highest = 0;
    for (uint64_t number = 1; number <= places; number++) {
        const uint64_t k = (number - 1) / files, size = record_size(k);
        get(file[(number - 1) % files], buffer, size, record_offset(k));
        bytes += size;
        if (is_sound(buffer, RECORD_MAGIC, run, size) && header->number == number) {
            state[number] = SOUND;
            highest = number;
        } else {
            state[number] = is_zero(buffer, size) ? ABSENT : UNSOUND;
        }
    }

    uint64_t found[3] = {0, 0, 0}, torn = 0, named = 0;
    for (uint64_t number = 1; number <= places; number++) {
        if (number <= highest) found[state[number]]++;
        else if (state[number] == UNSOUND) torn++;
    }
    printf("@verdict {\"fsck\": [%s], \"highest\": %" PRIu64 ", \"present\": %" PRIu64 ", \"missing\": %" PRIu64 ", \"corrupt\": %" PRIu64,
           arguments[2], highest, found[SOUND], found[ABSENT], found[UNSOUND]);
    printf(", \"torn\": %" PRIu64 ", \"head\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"bad\": [", torn, head, bytes);
    for (uint64_t number = 1; number <= highest && named < 8; number++)
        if (state[number] != SOUND) printf("%s%" PRIu64, named++ ? ", " : "", number);
    printf("]}\n");
    return 0;
}
