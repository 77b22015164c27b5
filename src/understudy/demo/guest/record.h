/* Numbered, checksummed records: the layout that writer.c produces and checker.c holds it to.
 *
 * Number n (from 1) belongs to file (n - 1) % files, where it is that file's record k = (n - 1) / files. A file begins with two head
 * slots, overwritten in turn; after them its records follow at fixed places in a repeating pattern of sizes, and are never overwritten:
 * every number that was ever acknowledged stays checkable. */

#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>
#include <string.h>

#define BLOCK 4096u
#define HEAD_SLOTS 2u
#define LARGEST_RECORD (16u * BLOCK)
#define RECORD_MAGIC UINT64_C(0x64726f6365727375)
#define HEAD_MAGIC UINT64_C(0x0064616568736475)

struct header {
    uint64_t magic;
    uint64_t run;      /* random, one for a set of disks: what another run left behind is not ours */
    uint64_t number;   /* in a head: the newest number when it was written */
    uint64_t size;     /* bytes, header included */
    uint64_t checksum; /* of all other words */
};

static const unsigned RECORD_BLOCKS[] = {1, 1, 2, 1, 4, 1, 2, 16};
#define PATTERN (sizeof RECORD_BLOCKS / sizeof RECORD_BLOCKS[0])

static inline uint64_t record_size(uint64_t k) { return (uint64_t)RECORD_BLOCKS[k % PATTERN] * BLOCK; }

static inline uint64_t record_offset(uint64_t k) {
    uint64_t before = 0, whole = 0;
    for (unsigned i = 0; i < PATTERN; i++) {
        if (i < k % PATTERN) before += RECORD_BLOCKS[i];
        whole += RECORD_BLOCKS[i];
    }
    return (HEAD_SLOTS + k / PATTERN * whole + before) * BLOCK;
}

static inline uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 31)) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 29)) * UINT64_C(0xd1b54a32d192ed03);
    return x ^ (x >> 32);
}

static inline uint64_t checksum_of(const void *data, uint64_t size) {
    const uint64_t *words = data;
    const uint64_t skipped = offsetof(struct header, checksum) / sizeof *words;
    uint64_t sum = size;
    for (uint64_t i = 0; i < size / sizeof *words; i++)
        if (i != skipped) sum = mix(sum ^ words[i]);
    return sum;
}

static inline int is_sound(const void *data, uint64_t magic, uint64_t run, uint64_t size) {
    const struct header *header = data;
    return header->magic == magic && header->run == run && header->size == size && header->checksum == checksum_of(data, size);
}

#endif
