/* Each library function alone, over the units in which the kernels call it: what a kernel cannot be faster than. */

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t low, high; } hash128;
typedef hash128 (*hash_function)(const void *, size_t, const void *, size_t);
typedef int (*compress_function)(void *, const char *, char *, int, int, int);
typedef int (*decompress_function)(const char *, char *, int, int);
typedef int (*cipher_function)(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long, const unsigned char *,
                               unsigned long long, const unsigned char *, const unsigned char *, const unsigned char *);

uint64_t hash_all(hash_function hash, const char *data, size_t size, size_t unit, const void *secret, size_t secret_size) {
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += unit) sum += hash(data + at, unit, secret, secret_size).low;
    return sum;
}

int64_t compress_all(compress_function compress, void *state, const char *data, size_t size, int unit, char *out, int room, int *sizes) {
    int64_t total = 0;
    for (size_t at = 0; at < size; at += unit) {
        int got = compress(state, data + at, out + total, unit, room, 1);
        *sizes++ = got;
        total += got;
    }
    return total;
}

int64_t decompress_all(decompress_function decompress, const char *data, const int *sizes, size_t count, int unit, char *out) {
    int64_t total = 0;
    for (size_t index = 0; index < count; index++) {
        total += decompress(data, out + total, sizes[index], unit);
        data += sizes[index];
    }
    return total;
}

int64_t seal_all(cipher_function seal, const unsigned char *data, size_t size, size_t unit, unsigned char *out, const unsigned char *key) {
    unsigned long long written, total = 0;
    for (size_t at = 0; at < size; at += unit) {
        seal(out + total, &written, data + at, unit, key, 32, NULL, key, key);
        total += written;
    }
    return total;
}
