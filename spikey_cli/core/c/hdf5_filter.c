/* libspikey as a plugin of HDF5: a filter that codes the chunks of datasets, so that every program that reads HDF5
 * reads them if HDF5_PLUGIN_PATH names the library's folder. docs/hdf5.md specifies the filter and its parameters.
 *
 * HDF5's headers and its library are not needed to build it: the few types are declared here, and the functions are
 * taken from the copy of HDF5 that calls. A process may have several, and a handle belongs to one. */

#define _GNU_SOURCE

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include "spikey.h"

/* ---- what H5Zpublic.h, H5PLextern.h and others declare, from HDF5 1.10 on ---- */

typedef int64_t hid_t;

typedef struct {
    int version, id;
    unsigned encoder_present, decoder_present;
    const char *name;
    int (*can_apply)(hid_t dcpl, hid_t type, hid_t space);
    int (*set_local)(hid_t dcpl, hid_t type, hid_t space);
    size_t (*filter)(unsigned flags, size_t n_values, const unsigned values[], size_t n, size_t *room, void **chunk);
} H5Z_class2_t;

enum { H5Z_CLASS_T_VERS = 1, H5PL_TYPE_FILTER = 0 };
enum { H5Z_FLAG_OPTIONAL = 0x0001, H5Z_FLAG_REVERSE = 0x0100 };
enum { H5T_INTEGER = 0, H5T_FLOAT = 1, H5T_ORDER_LE = 0, H5T_ORDER_BE = 1, H5E_DEFAULT = 0 };

SPIKEY_API int H5PLget_plugin_type(void);
SPIKEY_API const void *H5PLget_plugin_info(void);

/* ---- the parameters of the filter, cd_values ---- */

enum { SPIKEY_FILTER = 384 }; /* of the numbers that HDF5 leaves for tests; docs/hdf5.md */

/* The first three are the caller's; the others describe a chunk, and are set when a dataset is created. */
enum { VERSION, CODER, PRESET, KIND, BYTES, ORDER, RANK, SIDES, MOST = SIDES + 32 };
enum { OTHER, SIGNED, UNSIGNED, REAL };

static const char *const CODERS[] = {0, "rice", "range"};
static const char *const PRESETS[] = {0, "fast", "default", "best"};
enum { N_CODERS = sizeof CODERS / sizeof *CODERS, N_PRESETS = sizeof PRESETS / sizeof *PRESETS };

/* ---- the HDF5 that calls ---- */

#define CALLER __builtin_return_address(0)

/* Find a function or variable of the library that has the code at `caller`. NULL if it has none. */
static void *find(const void *caller, const char *name) {
    void *found = 0;
#ifdef _WIN32
    HMODULE module;
    DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (GetModuleHandleExA(flags, (LPCSTR)caller, &module)) {
        FARPROC function = GetProcAddress(module, name);
        memcpy(&found, &function, sizeof found);
    }
#else
    Dl_info info;
    if (dladdr(caller, &info) && info.dli_fname) {
        void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
        if (library) {
            found = dlsym(library, name);
            dlclose(library); /* it stays: its code is running */
        }
    }
    if (!found) found = dlsym(RTLD_DEFAULT, name); /* HDF5 is a part of the program */
#endif
    return found;
}

/* A call of a function of HDF5 by its type; data pointers become function pointers as POSIX has it. */
#define FIND(caller, name, result, ...) \
    result (*name)(__VA_ARGS__); \
    { \
        void *found = find(caller, #name); \
        memcpy(&name, &found, sizeof found); \
    }

static void *allocate(const void *caller, size_t n) {
    FIND(caller, H5allocate_memory, void *, size_t, int)
    return H5allocate_memory ? H5allocate_memory(n, 0) : malloc(n);
}

static void release(const void *caller, void *memory) {
    FIND(caller, H5free_memory, int, void *)
    if (H5free_memory)
        H5free_memory(memory);
    else
        free(memory);
}

/* Put a text on HDF5's stack of errors. */
static void complain(const void *caller, const char *function, const char *text) {
    FIND(caller, H5Epush2, int, hid_t, const char *, const char *, unsigned, hid_t, hid_t, hid_t, const char *, ...)
    const hid_t *kind = find(caller, "H5E_ERR_CLS_g"), *major = find(caller, "H5E_PLINE_g");
    const hid_t *minor = find(caller, "H5E_READERROR_g");
    if (H5Epush2 && kind && major && minor)
        H5Epush2(H5E_DEFAULT, "hdf5_filter.c", function, 0, *kind, *major, *minor, "spikey: %s", text);
}

/* ---- the filter ---- */

/* Describe the chunks of a new dataset in the filter's parameters. Other chunks than of integers are described too:
 * they are stored as they are. */
static int set_local(hid_t dcpl, hid_t type, hid_t space) {
    (void)space;
    const void *caller = CALLER;
    static const char function[] = "spikey_set_local";
    FIND(caller, H5Pget_filter_by_id2, int, hid_t, int, unsigned *, size_t *, unsigned *, size_t, char *, unsigned *)
    FIND(caller, H5Pmodify_filter, int, hid_t, int, unsigned, size_t, const unsigned *)
    FIND(caller, H5Pget_chunk, int, hid_t, int, uint64_t *)
    FIND(caller, H5Tget_class, int, hid_t)
    FIND(caller, H5Tget_size, size_t, hid_t)
    FIND(caller, H5Tget_sign, int, hid_t)
    FIND(caller, H5Tget_order, int, hid_t)
    if (!H5Pget_filter_by_id2 || !H5Pmodify_filter || !H5Pget_chunk || !H5Tget_class || !H5Tget_size || !H5Tget_sign ||
        !H5Tget_order) {
        complain(caller, function, "this HDF5 lacks functions that the filter calls; it needs HDF5 1.10 or later");
        return -1;
    }
    unsigned values[MOST] = {1}, flags = 0;
    size_t n_values = KIND;
    uint64_t sides[32] = {0};
    if (H5Pget_filter_by_id2(dcpl, SPIKEY_FILTER, &flags, &n_values, values, 0, 0, 0) < 0) return -1;
    if (values[VERSION] != 1 || values[CODER] >= N_CODERS || values[PRESET] >= N_PRESETS) {
        complain(caller, function, "the filter's parameters are 1, the number of a coder and that of a preset");
        return -1;
    }
    const size_t size = H5Tget_size(type);
    const int rank = H5Pget_chunk(dcpl, 32, sides), kind = H5Tget_class(type);
    if (rank < 1 || rank > 32 || !size || size > UINT32_MAX) return -1;
    const int order = kind == H5T_INTEGER || kind == H5T_FLOAT ? H5Tget_order(type) : -1;
    values[KIND] = order != H5T_ORDER_LE && order != H5T_ORDER_BE ? OTHER
                   : kind == H5T_FLOAT                           ? REAL
                   : H5Tget_sign(type)                            ? SIGNED
                                                                  : UNSIGNED;
    values[BYTES] = (unsigned)size;
    values[ORDER] = order == H5T_ORDER_BE;
    values[RANK] = (unsigned)rank;
    for (int i = 0; i < rank; i++) values[SIDES + i] = sides[i] < UINT32_MAX ? (unsigned)sides[i] : UINT32_MAX;
    /* always optional: HDF5 then stores a chunk as it is where the filter gives up */
    return H5Pmodify_filter(dcpl, SPIKEY_FILTER, flags | H5Z_FLAG_OPTIONAL, SIDES + (size_t)rank, values);
}

/* Find out what array a chunk holds, from the filter's parameters. Returns whether they are possible. */
static int describe(size_t n_values, const unsigned values[], spikey_array *array) {
    memset(array, 0, sizeof *array);
    if (n_values < SIDES || values[VERSION] != 1 || !values[BYTES] || values[RANK] < 1 || values[RANK] > 32 ||
        n_values < SIDES + values[RANK])
        return 0;
    const unsigned size = values[BYTES];
    array->n_dimensions = (int32_t)values[RANK];
    array->bytes = size;
    for (unsigned i = 0; i < values[RANK]; i++) {
        const int64_t side = array->shape[i] = values[SIDES + i];
        if (!side || array->bytes > INT32_MAX / side) return 0;
        array->bytes *= side;
    }
    if (values[KIND] != OTHER && values[KIND] <= REAL && (size == 1 || size == 2 || size == 4 || size == 8)) {
        array->type[0] = size == 1 ? '|' : values[ORDER] ? '>' : '<';
        array->type[1] = "-iuf"[values[KIND]];
        array->type[2] = (char)('0' + size);
        array->type_length = 3;
    }
    return 1;
}

/* Decode a chunk; `reason` is set if that fails. */
static void *decode(const void *caller, size_t n_values, const unsigned values[], const void *chunk, size_t n,
                    size_t *bytes, const char **reason) {
    spikey_array stated, array;
    *reason = "the filter's parameters are damaged";
    if (!describe(n_values, values, &stated)) return 0;
    const spikey_limits limits = {64 << 20, 8192, INT32_MAX, stated.bytes};
    if (spikey_describe(chunk, n, &limits, &array, reason)) return 0;
    *reason = "the chunk holds another array than the filter's parameters state";
    const size_t shape_bytes = (size_t)stated.n_dimensions * sizeof *stated.shape;
    if (array.bytes != stated.bytes || array.n_dimensions != stated.n_dimensions || strcmp(array.type, stated.type) ||
        memcmp(array.shape, stated.shape, shape_bytes) || (array.is_fortran && array.n_dimensions > 1))
        return 0;
    *bytes = (size_t)array.bytes;
    *reason = "there is not enough memory";
    void *memory = allocate(caller, *bytes);
    if (memory && spikey_decode(chunk, n, &limits, memory, *bytes, reason)) {
        release(caller, memory);
        memory = 0;
    }
    return memory;
}

/* Encode a chunk of `n` bytes. NULL if it is to be stored as it is. */
static void *encode(const void *caller, size_t n_values, const unsigned values[], const void *memory, size_t n,
                    size_t *bytes) {
    spikey_array array;
    /* another size: a filter before this one has changed the chunk */
    if (!describe(n_values, values, &array) || !array.type[0] || (uint64_t)array.bytes != n ||
        values[CODER] >= N_CODERS || values[PRESET] >= N_PRESETS)
        return 0;
    const spikey_encoding encoding = {CODERS[values[CODER]], PRESETS[values[PRESET]]};
    void *chunk = allocate(caller, n);
    if (chunk && spikey_encode(memory, &array, &encoding, chunk, n - 1, bytes, 0)) { /* or it would be no smaller */
        release(caller, chunk);
        chunk = 0;
    }
    return chunk;
}

/* Encode or decode a chunk, and return the new number of bytes; 0 is an error, or that it is stored as it is. */
static size_t filter(unsigned flags, size_t n_values, const unsigned values[], size_t n, size_t *room, void **chunk) {
    const void *caller = CALLER;
    const char *reason = 0;
    size_t bytes = 0, new_room = n;
    void *result;
    if (flags & H5Z_FLAG_REVERSE) {
        result = decode(caller, n_values, values, *chunk, n, &bytes, &reason);
        if (!result) complain(caller, "spikey_filter", reason);
        new_room = bytes;
    } else
        result = encode(caller, n_values, values, *chunk, n, &bytes);
    if (!result) return 0;
    release(caller, *chunk);
    *chunk = result;
    *room = new_room;
    return bytes;
}

static const H5Z_class2_t SPIKEY_CLASS = {
    .version = H5Z_CLASS_T_VERS,
    .id = SPIKEY_FILTER,
    .encoder_present = 1,
    .decoder_present = 1,
    .name = "spikey",
    .set_local = set_local,
    .filter = filter,
};

int H5PLget_plugin_type(void) { return H5PL_TYPE_FILTER; }

const void *H5PLget_plugin_info(void) { return &SPIKEY_CLASS; }
