"""The C libraries behind the kernels, bound once at import to a table of typed function pointers.

The lz4, xxhash and pynacl wheels carry the libraries; what their shared objects export is looked up there. A wheel that hides
its symbols, or is missing, is passed over for the system's library. No function is used before it has given a known answer.
"""

from collections import namedtuple
from importlib import import_module, metadata

from libc.stdint cimport uint8_t, uintptr_t
from libc.string cimport memset
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlerror, dlopen, dlsym

from understudy.native.layout cimport SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

Library = namedtuple("Library", ("name", "provider", "version"))

_LIBRARIES = ("lz4", "xxhash", "sodium")
_DISTRIBUTIONS = {"lz4": "lz4", "xxhash": "xxhash", "sodium": "pynacl"}
_WHEELS = {"lz4": "lz4.block._block", "xxhash": "xxhash._xxhash", "sodium": "nacl._sodium"}
_SONAMES = {"lz4": ("liblz4.so.1",), "xxhash": ("libxxhash.so.0",), "sodium": ("libsodium.so.26", "libsodium.so.23")}
_PACKAGES = {"lz4": "liblz4-1", "xxhash": "libxxhash0", "sodium": "libsodium23"}


class ProviderError(RuntimeError):
    """No provider has the function, or its known answer is wrong. The message names the library and the fix."""


ctypedef int (*IntFunction)() noexcept nogil
ctypedef const char *(*TextFunction)() noexcept nogil

_bound = ()
cdef bint _cpu_has_aes = False


def libraries():
    return _bound


def suites():
    """AEGIS-256 without AES instructions runs at a tenth of XChaCha20's speed, so the CPU decides which comes first."""
    order = (SUITE_AEGIS256, SUITE_XCHACHA20POLY1305) if _cpu_has_aes else (SUITE_XCHACHA20POLY1305, SUITE_AEGIS256)
    return tuple(suite for suite in order if api.suites[<int>suite].seal != NULL)


def bind(str provider not None):
    if provider not in ("wheel", "system"):
        raise ValueError(f"a provider is wheel or system, not {provider!r}")
    _bind((provider,))


cdef const Suite *suite_of(int number) except NULL:
    if number not in (SUITE_XCHACHA20POLY1305, SUITE_AEGIS256):
        raise ValueError(f"there is no AEAD suite {number}")
    if api.suites[number].seal == NULL:
        provider, version = _bound[_LIBRARIES.index("sodium")][1:]
        raise ProviderError(f"libsodium {version} of the {provider} has no AEGIS-256 (it came with 1.0.19); fix: pip install 'pynacl>=1.6'")
    return &api.suites[number]


cdef class Symbols:
    """The functions that one provider's copy of a library exports."""

    cdef void *handle
    cdef object module  # the wheel's extension module; None for the system's library
    cdef str name
    cdef str provider

    def __cinit__(self, str name, str provider):
        self.name = name
        self.provider = provider
        if provider == "wheel":
            try:
                if name == "sodium":
                    import_module("nacl.bindings")  # calls sodium_init
                self.module = import_module(_WHEELS[name])
            except ImportError as error:
                raise ProviderError(f"{name}: {error}") from error
            self.load((self.module.__file__,))
        else:
            self.load(_SONAMES[name])

    cdef int load(self, tuple paths) except -1:
        reasons = []
        for path in paths:
            self.handle = dlopen(path.encode(), RTLD_NOW | RTLD_LOCAL)  # never closed: the table points into it
            if self.handle != NULL:
                return 0
            reasons.append(dlerror().decode(errors="replace"))
        raise ProviderError(f"{self.name}: {'; '.join(reasons)}")

    cdef void *find(self, str symbol) except? NULL:
        cdef void *address = dlsym(self.handle, symbol.encode())
        cdef uintptr_t number
        if address == NULL and self.name == "sodium" and self.module is not None and hasattr(self.module.lib, symbol):
            # Linked statically with hidden symbols; cffi knows where each function that it wraps is.
            ffi = self.module.ffi
            number = int(ffi.cast("uintptr_t", ffi.addressof(self.module.lib, symbol)))
            address = <void *>number
        return address

    cdef void *need(self, str symbol) except NULL:
        cdef void *address = self.find(symbol)
        if address == NULL:
            raise ProviderError(f"{self.name}: {symbol} is not in the {self.provider}'s library")
        return address

    cdef int ask(self, str symbol, int missing) except? -1:
        """Call an `int f(void)`; `missing` where the library lacks it."""
        cdef void *address = self.find(symbol)
        return missing if address == NULL else (<IntFunction>address)()

    def refuse(self, reason):
        raise ProviderError(f"{self.name}: the {self.provider}'s library {reason}")


cdef int _bind(tuple providers) except -1:
    """Fill a fresh table, each library from the first provider that serves, and only then replace the old one."""
    global api, _bound, _cpu_has_aes
    cdef Api fresh
    cdef bint aes = False
    memset(&fresh, 0, sizeof(fresh))
    found = []
    for name in _LIBRARIES:
        reasons = []
        for provider in providers:
            try:
                symbols = Symbols(name, provider)
                if name == "lz4":
                    version = _bind_lz4(&fresh, symbols)
                elif name == "xxhash":
                    version = _bind_xxhash(&fresh, symbols)
                else:
                    version = _bind_sodium(&fresh, symbols)
                    aes = symbols.ask("sodium_runtime_has_aesni", 0) == 1 or symbols.ask("sodium_runtime_has_armcrypto", 0) == 1
            except ProviderError as error:
                reasons.append(str(error))
            else:
                found.append(Library(name, provider, version))
                break
        else:
            fix = f"pip install --force-reinstall {_DISTRIBUTIONS[name]}, or apt-get install {_PACKAGES[name]}"
            raise ProviderError(f"{'; '.join(reasons)}; fix: {fix}")
    api = fresh
    _bound = tuple(found)
    _cpu_has_aes = aes
    return 0


cdef str _bind_lz4(Api *table, Symbols symbols):
    cdef int size = symbols.ask("LZ4_sizeofState", 0)
    if size > LZ4_STATE_SIZE:
        symbols.refuse(f"needs a state of {size} bytes, more than any release that is known here")
    table.compress = <Compress>symbols.need("LZ4_compress_fast_extState")
    table.decompress = <Decompress>symbols.need("LZ4_decompress_safe")
    if not _lz4_answers(table):
        symbols.refuse("does not compress and decompress as LZ4 does")
    return _dotted(symbols.ask("LZ4_versionNumber", 0))


cdef str _bind_xxhash(Api *table, Symbols symbols):
    # _dispatch chooses AVX2 or AVX-512 at run time, the other is what the library was compiled for: 26 and 13 GB/s here.
    for name in ("XXH3_128bits_withSecret_dispatch", "XXH3_128bits_withSecret"):
        table.hash = <Hash>symbols.find(name)
        if table.hash != NULL and _hash_answers(table.hash):
            return _dotted(symbols.ask("XXH_versionNumber", 0))
    symbols.refuse("has no XXH3_128bits_withSecret, or a wrong one")


cdef str _bind_sodium(Api *table, Symbols symbols):
    if symbols.ask("sodium_init", 0) < 0:
        symbols.refuse("does not initialise")
    _bind_suite(&table.suites[SUITE_XCHACHA20POLY1305], symbols, "xchacha20poly1305_ietf", 24, 16, "04e22beae6d2d700bcffc210e1a4586b")
    _bind_suite(
        &table.suites[SUITE_AEGIS256], symbols, "aegis256", 32, 32, "c24783a9a4b3a2b8012d1dc4e4337230b00a12a9c47670a4a0241ccbc5a6c05f"
    )
    if table.suites[SUITE_XCHACHA20POLY1305].seal == NULL:
        symbols.refuse("has no XChaCha20-Poly1305")
    cdef void *address = symbols.find("sodium_version_string")
    if address == NULL:
        return f"in pynacl {metadata.version('pynacl')}"
    return (<TextFunction>address)().decode()


cdef int _bind_suite(Suite *suite, Symbols symbols, str name, size_t nonce, size_t tag, str answer) except -1:
    """Leaves the row empty if the library lacks the suite: AEGIS-256 came with libsodium 1.0.19."""
    cdef void *seal = symbols.find(f"crypto_aead_{name}_encrypt")
    cdef void *open = symbols.find(f"crypto_aead_{name}_decrypt")
    if seal == NULL or open == NULL:
        return 0
    suite.seal = <Seal>seal
    suite.open = <Open>open
    suite.nonce = nonce
    suite.tag = tag
    if not _suite_answers(suite, bytes.fromhex(answer)):
        symbols.refuse(f"has a wrong {name}")
    return 0


cdef str _dotted(int version):
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}" if version else "unknown"


def _pattern(size, factor, term):
    return bytes((i * factor + term) % 256 for i in range(size))


cdef bint _lz4_answers(Api *table) except *:
    # A block made by hand: 10 literals, a match of 185 bytes 10 bytes back, 5 literals.
    known = b"\xafunderstudy\x0a\x00\xa6\x50study"
    text = b"understudy" * 20
    plain = _pattern(64, 167, 13) * 64
    state = bytearray(LZ4_STATE_SIZE + LZ4_STATE_ALIGNMENT)
    packed = bytearray(8192)
    out = bytearray(4096)
    cdef uintptr_t aligned = <uintptr_t><char *>state + LZ4_STATE_ALIGNMENT - 1
    aligned -= aligned % LZ4_STATE_ALIGNMENT
    if table.decompress(known, out, <int>len(known), 200) != 200 or out[:200] != text:
        return False
    if table.decompress(known, out, <int>len(known), 199) >= 0 or table.decompress(known, out, <int>len(known) - 1, 200) == 200:
        return False
    cdef int size = table.compress(<void *>aligned, plain, packed, 4096, 8192, 1)
    return 0 < size < 256 and table.decompress(packed, out, size, 4096) == 4096 and out == plain


cdef bint _hash_answers(Hash hash) except *:
    """The two lengths that are hashed: a digest's contribution and a block."""
    secret = _pattern(192, 59, 7)
    cdef const char *key = secret
    cdef const char *data
    cdef Hash128 value
    for size, answer in ((24, "3a87b5050a7aabcf3c3d3b80dac99663"), (4096, "e580a9a5b5341f0892d9ca1261085578")):
        message = _pattern(size, 167, 13)
        data = message
        value = hash(data, size, key, 192)
        if f"{value.high:016x}{value.low:016x}" != answer:
            return False
    return True


cdef bint _suite_answers(const Suite *suite, bytes tag) except *:
    """Seals 100 bytes with 45 associated ones to the known tag, opens them again, and not when a bit of them is wrong."""
    key = _pattern(32, 7, 1)
    plain = _pattern(100, 167, 13)
    associated = plain[:45]
    cdef unsigned long long size = 100 + suite.tag
    sealed = bytearray(size)
    opened = bytearray(100)
    cdef const uint8_t *k = key
    cdef const uint8_t *ad = associated
    cdef uint8_t *s = sealed
    cdef uint8_t *o = opened
    cdef unsigned long long written = 0
    if suite.seal(s, &written, plain, 100, ad, 45, NULL, k, k) != 0 or written != size or sealed[100:] != tag:
        return False
    if suite.open(o, &written, NULL, s, size, ad, 45, k, k) != 0 or opened != plain:
        return False
    s[50] ^= 1
    return suite.open(o, &written, NULL, s, size, ad, 45, k, k) != 0


_bind(("wheel", "system"))
