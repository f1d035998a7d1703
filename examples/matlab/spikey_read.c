/* A recording of an archive in MATLAB and Octave; see spikey_read.m. */

#include "mex.h"

#include "../c/recording.h"

static const mxClassID CLASSES[] = {mxUINT8_CLASS,  mxUINT8_CLASS,  mxINT16_CLASS,  mxINT32_CLASS,  mxINT32_CLASS,
                                    mxSINGLE_CLASS, mxDOUBLE_CLASS, mxUINT16_CLASS, mxUINT32_CLASS, mxINT64_CLASS};

static const char *const NAMES[] = {"bytes",  "uint8",  "int16",  "int32",  "int32",
                                    "single", "double", "uint16", "uint32", "int64"};

/* A structure array with an element for each recording. */
static mxArray *list(const spikey_archive *archive) {
    static const char *fields[] = {"name", "class", "channels", "frames", "rate"};
    mwSize n = (mwSize)spikey_recordings(archive);
    mxArray *listed = mxCreateStructMatrix(n, 1, 5, fields);
    for (mwSize i = 0; i < n; i++) {
        spikey_recording_info recording;
        if (spikey_recording(archive, (int64_t)i, &recording)) continue;
        mxSetField(listed, i, "name", mxCreateString(recording.name));
        mxSetField(listed, i, "class", mxCreateString(NAMES[recording.type]));
        mxSetField(listed, i, "channels", mxCreateDoubleScalar((double)recording.channels));
        mxSetField(listed, i, "frames", mxCreateDoubleScalar((double)recording.frames));
        mxSetField(listed, i, "rate", mxCreateDoubleScalar((double)recording.rate));
    }
    return listed;
}

/* The samples, frames by channels; those of 24 bits as int32. */
static mxArray *samples_of(FILE *file, const spikey_archive *archive, int64_t number, const char **reason) {
    spikey_recording_info recording;
    unsigned char *samples = read_recording(file, archive, number, reason);
    if (!samples || spikey_recording(archive, number, &recording)) return NULL;
    size_t n = (size_t)(recording.frames * recording.channels), size = (size_t)recording.sample_bytes;
    mxArray *array =
        mxCreateNumericMatrix((mwSize)recording.frames, (mwSize)recording.channels, CLASSES[recording.type], mxREAL);
    int32_t *wide = mxGetData(array);
    if (size != 3) memcpy(wide, samples, n * size);
    for (size_t i = 0; size == 3 && i < n; i++) {
        const unsigned char *at = samples + 3 * i;
        wide[i] = (int32_t)((uint32_t)at[0] << 8 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 24) >> 8;
    }
    free(samples);
    return array;
}

void mexFunction(int n_out, mxArray *out[], int n_in, const mxArray *in[]) {
    const char *reason = "the file cannot be opened";
    if (n_in < 1 || n_in > 2 || n_out > 2 || !mxIsChar(in[0]) || (n_in > 1 && !mxIsChar(in[1]) && !mxIsDouble(in[1])))
        mexErrMsgIdAndTxt("spikey:usage", "usage: recordings = spikey_read(archive); [x, rate] = spikey_read(archive, name)");
    char *path = mxArrayToString(in[0]), *name = n_in > 1 && mxIsChar(in[1]) ? mxArrayToString(in[1]) : NULL;
    FILE *file = fopen(path, "rb");
    spikey_archive *archive = file ? open_archive(file, &reason) : NULL;
    spikey_recording_info recording = {.rate = 0};
    mxArray *found = NULL;
    if (archive && n_in < 2) found = list(archive);
    if (archive && n_in > 1) {
        int64_t number = name ? find_recording(archive, name) : (int64_t)mxGetScalar(in[1]) - 1;
        found = samples_of(file, archive, number, &reason);
        spikey_recording(archive, number, &recording);
    }
    spikey_close(archive);
    if (file) fclose(file);
    if (!found) mexErrMsgIdAndTxt("spikey:failed", "%s: %s", path, reason);
    out[0] = found;
    if (n_out > 1) out[1] = mxCreateDoubleScalar((double)recording.rate);
    mxFree(path);
    if (name) mxFree(name);
}
