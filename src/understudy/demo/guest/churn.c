/* churn DEVICE SEED COUNT: COUNT (0: endless) random writes, discards and write-zeroes all over a block device, past its page cache.
 *
 * The content means nothing: whoever compares the disk stops the guest and reads it from outside. Some writes are of zeroes and some repeat
 * what may be there already, which replication should notice. Says "@churned DEVICE N" now and then. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LONGEST (256u * 1024)
#define SAY_EVERY 200

static uint64_t state;

static uint64_t next(void) {
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void give_up(const char *what) {
    printf("@error churn: %s: %s\n", what, strerror(errno));
    exit(1);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    state = strtoull(arguments[2], NULL, 10);
    const uint64_t wanted = strtoull(arguments[3], NULL, 10);
    const int device = open(arguments[1], O_RDWR | O_DIRECT);
    uint64_t size, *buffer;
    int sector;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (device < 0) give_up(arguments[1]);
    if (ioctl(device, BLKGETSIZE64, &size) || ioctl(device, BLKSSZGET, &sector)) give_up("size");
    if (posix_memalign((void **)&buffer, 4096, LONGEST)) give_up("memory");

    for (uint64_t done = 0; wanted == 0 || done < wanted;) {
        const uint64_t length = (1 + next() % (LONGEST / (unsigned)sector)) * (unsigned)sector;
        uint64_t range[2] = {next() % ((size - length) / (unsigned)sector + 1) * (unsigned)sector, length};
        const unsigned kind = next() % 8;
        if (kind == 0) {
            if (ioctl(device, BLKDISCARD, range)) give_up("discard");
        } else if (kind == 1) {
            if (ioctl(device, BLKZEROOUT, range)) give_up("write zeroes");
        } else {
            const uint64_t repeated = next() % 4;
            for (uint64_t i = 0; i < length / sizeof *buffer; i++) buffer[i] = kind == 2 ? repeated : next();
            if (pwrite(device, buffer, length, (off_t)range[0]) != (ssize_t)length) give_up("write");
        }
        if (++done % SAY_EVERY == 0) printf("@churned %s %" PRIu64 "\n", arguments[1], done);
    }
    return 0;
}
