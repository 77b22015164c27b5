/* tally DEVICE: says `@sum N`, the last of the tallies 1 to N that stand in its blocks (`@sum gap N M`: M comes after N), then writes more.
 *
 * Block n holds `tally n`; each is acknowledged by `@ack n` when it is on the disk. A gap would be a write that was lost before a later one. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define PAUSE_US 100000

static int found_in(int disk, off_t at, unsigned *number) {
    static char block[BLOCK + 1];
    return pread(disk, block, BLOCK, at) == BLOCK && sscanf(block, "tally %u\n", number) == 1;
}

int main(int words, char **word) {
    int disk = words == 2 ? open(word[1], O_RDWR | O_DSYNC) : -1;
    if (disk < 0) {
        perror("@error tally");
        return 1;
    }
    off_t size = lseek(disk, 0, SEEK_END);
    unsigned written = 0, last = 0, gap = 0, number;
    for (off_t at = 0; at < size; at += BLOCK) {
        if (!found_in(disk, at, &number)) continue;
        written++;
        if (number == last + 1) last = number;
        else if (!gap) gap = number;
    }
    if (gap) printf("@sum gap %u %u\n", last, gap);
    else printf("@sum %u\n", last);
    fflush(stdout);
    for (number = written + 1;; number++) {
        static char block[BLOCK];
        memset(block, 0, sizeof block);
        snprintf(block, sizeof block, "tally %u\n", number);
        if (pwrite(disk, block, BLOCK, (off_t)number * BLOCK) == BLOCK) {
            printf("@ack %u\n", number);
            fflush(stdout);
        }
        usleep(PAUSE_US);
    }
}
