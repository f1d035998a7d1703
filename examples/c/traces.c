/* Lists the recordings of an archive, or writes the samples of one to the standard output, channel after channel:
 *
 *     cc -I"$(python -c 'import spikey_cli; print(spikey_cli.get_include())')" traces.c \
 *         "$(python -c 'import spikey_cli; print(spikey_cli.get_library())')" -o traces
 *     ./traces session.spk
 *     ./traces session.spk left.wav > left.raw
 *     ./traces session.spk 0 > left.raw
 */

#include "recording.h"

static const char *const TYPES[] = {"bytes",   "uint8",   "int16",  "int24",  "int32",
                                    "float32", "float64", "uint16", "uint32", "int64"};

static int list(const spikey_archive *archive) {
    spikey_recording_info recording;
    for (int64_t i = 0; i < spikey_recordings(archive); i++)
        if (!spikey_recording(archive, i, &recording))
            printf("%lld\t%s\t%s\t%lld channels\t%lld frames\t%lld Hz\n", (long long)i, recording.name, TYPES[recording.type],
                   (long long)recording.channels, (long long)recording.frames, (long long)recording.rate);
    return 0;
}

static int write_samples(FILE *file, const spikey_archive *archive, const char *name, const char **reason) {
    char *end;
    int64_t number = strtoll(name, &end, 10);
    if (end == name || *end) number = find_recording(archive, name);
    spikey_recording_info recording;
    void *samples = read_recording(file, archive, number, reason);
    if (!samples || spikey_recording(archive, number, &recording)) return 1;
    size_t n = (size_t)(recording.channels * recording.frames);
    int failed = fwrite(samples, (size_t)recording.sample_bytes, n, stdout) < n;
    *reason = "the standard output cannot be written";
    free(samples);
    return failed;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s ARCHIVE [RECORDING]\n", argv[0]);
        return 2;
    }
    const char *reason = "the file cannot be opened";
    FILE *file = fopen(argv[1], "rb");
    spikey_archive *archive = file ? open_archive(file, &reason) : NULL;
    int failed = !archive || (argc == 2 ? list(archive) : write_samples(file, archive, argv[2], &reason));
    if (failed) fprintf(stderr, "%s: %s\n", argv[1], reason);
    spikey_close(archive);
    if (file) fclose(file);
    return failed;
}
