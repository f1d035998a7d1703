/* The constant tables of gains and densities, from the few numbers that docs/format.md lists. */

#include <string.h>

#include "internal.h"

/* ROOT_8[i] = round(2**30 * 2**(i/8)) */
static const int64_t ROOT_8[8] = {1073741824, 1170923762, 1276901417, 1392470869,
                                  1518500250, 1655936265, 1805811301, 1969251188};

/* ROOT_16[i] = round(2**30 * 2**(-i/16)) */
const int32_t spikey_root_16[16] = {1073741824, 1028218693, 984625594, 942880699, 902905651, 864625413,
                                    827968132,  792865000,  759250125, 727060411, 696235434, 666717336,
                                    638450708,  611382493,  585461881, 560640218};

/* HALF_PHI[i] = round(2**24 * Phi(i / 32)), Phi the normal distribution function, up to where it is 2**24 */
static const int32_t HALF_PHI[] = {
    8388608,  8597735,  8806657,  9015172,  9223077,  9430171,  9636257,  9841139,  10044625, 10246528, 10446664,
    10644856, 10840930, 11034720, 11226065, 11414812, 11600815, 11783934, 11964039, 12141006, 12314719, 12485073,
    12651970, 12815319, 12975040, 13131062, 13283321, 13431763, 13576342, 13717022, 13853774, 13986578, 14115423,
    14240303, 14361223, 14478195, 14591237, 14700374, 14805638, 14907067, 15004707, 15098606, 15188821, 15275410,
    15358439, 15437976, 15514093, 15586867, 15656377, 15722704, 15785932, 15846147, 15903437, 15957891, 16009598,
    16058649, 16105135, 16149147, 16190777, 16230114, 16267250, 16302272, 16335268, 16366327, 16395532, 16422968,
    16448717, 16472858, 16495471, 16516631, 16536412, 16554887, 16572123, 16588190, 16603151, 16617069, 16630005,
    16642015, 16653155, 16663478, 16673035, 16681874, 16690040, 16697578, 16704530, 16710933, 16716827, 16722246,
    16727224, 16731792, 16735979, 16739815, 16743324, 16746531, 16749461, 16752133, 16754568, 16756786, 16758803,
    16760636, 16762301, 16763810, 16765178, 16766416, 16767535, 16768547, 16769459, 16770282, 16771024, 16771691,
    16772291, 16772830, 16773313, 16773746, 16774135, 16774482, 16774792, 16775069, 16775316, 16775537, 16775733,
    16775907, 16776062, 16776200, 16776322, 16776430, 16776525, 16776610, 16776685, 16776751, 16776809, 16776860,
    16776905, 16776945, 16776979, 16777010, 16777037, 16777060, 16777081, 16777099, 16777114, 16777128, 16777140,
    16777150, 16777159, 16777167, 16777174, 16777179, 16777185, 16777189, 16777193, 16777196, 16777199, 16777201,
    16777203, 16777205, 16777207, 16777208, 16777209, 16777210, 16777211, 16777212, 16777213, 16777213, 16777214,
    16777214, 16777214, 16777214, 16777215, 16777215, 16777215, 16777215, 16777215, 16777215,
};

/* WEIGHT[t] = round(2**16 * 2**((t - 31)/4 - 1)) */
static const int32_t WEIGHT[SPIKEY_OUTLIER_WEIGHTS] = {
    152,  181,  215,  256,  304,  362,  431,  512,  609,  724,   861,   1024,  1218,  1448,  1722,  2048,
    2435, 2896, 3444, 4096, 4871, 5793, 6889, 8192, 9742, 11585, 13777, 16384, 19484, 23170, 27554, 32768,
};

/* `number` (at least 0) times 2**by, rounded down. */
static int64_t shifted(int64_t number, int by) {
    return by >= 0 ? number << by : by > -63 ? number >> -by : 0;
}

/* The quotient rounded down, for a divisor above 0. */
static int floor_quotient(int number, int divisor) {
    return number >= 0 ? number / divisor : -((divisor - 1 - number) / divisor);
}

static int64_t root_8(int eighths, int shift) {
    int octaves = floor_quotient(eighths, 8);
    return shifted(ROOT_8[eighths - 8 * octaves], octaves + shift);
}

/* 2 ** (shift - log2_scale / 16), rounded down. */
static int64_t power(int log2_scale, int shift) {
    int octaves = floor_quotient(log2_scale, 16);
    return shifted(spikey_root_16[log2_scale - 16 * octaves], shift - octaves - 30);
}

static void fill_gains(spikey_tables *tables) {
    for (int gain = 0; gain <= SPIKEY_MAX_GAIN; gain++) {
        tables->input_factor[gain] = root_8(-gain, 2);
        tables->output_factor[gain] = root_8(gain, -20);
        tables->log2_rms[gain] = 2 * gain - 32;
        tables->mean_square[gain] = root_8(2 * gain, 8 - 30);
        if (gain > 0) tables->gain_step[gain - 1] = root_8(2 * gain + 31, -30);
    }
}

static void fill_scales(spikey_tables *tables) {
    for (int i = 0; i < SPIKEY_SCALES; i++) {
        tables->inverse_scale[i] = (int32_t)power(i + SPIKEY_MIN_LOG2_SCALE, 23);
        tables->scale[i] = power(-(i + SPIKEY_MIN_LOG2_SCALE), 16);
    }
}

static int32_t phi_of(int at) { /* 2**24 Phi at (at / 32) deviations */
    const int n = (int)(sizeof HALF_PHI / sizeof HALF_PHI[0]);
    int distance = at < 0 ? -at : at;
    int32_t upper = distance < n ? HALF_PHI[distance] : SPIKEY_WHOLE;
    return at < 0 ? SPIKEY_WHOLE - upper : upper;
}

static void fill_mixture(spikey_tables *tables) {
    for (int at = -SPIKEY_MIXTURE_ZERO; at <= SPIKEY_MIXTURE_ZERO; at++) {
        int quarter = at >> 2, rest = at & 3;
        int32_t core = phi_of(at);
        int32_t outer = phi_of(quarter) + ((phi_of(quarter + 1) - phi_of(quarter)) * rest >> 2);
        for (int t = 0; t < SPIKEY_OUTLIER_WEIGHTS; t++)
            tables->mixture[t][at + SPIKEY_MIXTURE_ZERO][0] =
                core + (int32_t)((int64_t)(outer - core) * WEIGHT[t] >> 16);
    }
    for (int t = 0; t < SPIKEY_OUTLIER_WEIGHTS; t++) {
        int32_t(*row)[2] = tables->mixture[t];
        for (int i = 0; i < 2 * SPIKEY_MIXTURE_ZERO; i++) row[i][1] = row[i + 1][0] - row[i][0];
        row[2 * SPIKEY_MIXTURE_ZERO][1] = 0;
        int at = 0;
        for (int u = 0; u <= SPIKEY_QUANTILES; u++) {
            int32_t target = (int32_t)least(greatest((int64_t)u << (24 - SPIKEY_QUANTILE_BITS), 64), SPIKEY_WHOLE - 64);
            while (row[at][0] + row[at][1] <= target) at++;
            int32_t place = (at - SPIKEY_MIXTURE_ZERO) * 128 + (target - row[at][0]) * 128 / row[at][1];
            if (u > 0) tables->place[t][u - 1][1] = (int32_t)least(place - tables->place[t][u - 1][0], INT16_MAX);
            if (u < SPIKEY_QUANTILES) tables->place[t][u][0] = place;
        }
    }
}

int64_t spikey_tables_size(void) { return (int64_t)sizeof(spikey_tables); }

void spikey_fill_tables(spikey_tables *tables) {
    memset(tables, 0, sizeof *tables);
    fill_gains(tables);
    fill_scales(tables);
    fill_mixture(tables);
}

const void *spikey_table(const spikey_tables *tables, int i, const char **name, int64_t *n_bytes) {
#define TABLE(field) {#field, tables->field, sizeof tables->field}
    const struct {
        const char *name;
        const void *data;
        size_t n_bytes;
    } all[] = {TABLE(input_factor),  TABLE(output_factor), TABLE(gain_step), TABLE(mean_square), TABLE(log2_rms),
               TABLE(inverse_scale), TABLE(scale),         TABLE(mixture)};
#undef TABLE
    if (i < 0 || i >= (int)(sizeof all / sizeof all[0])) return 0;
    *name = all[i].name;
    *n_bytes = (int64_t)all[i].n_bytes;
    return all[i].data;
}
