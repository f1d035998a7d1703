/* Discovery. */

#include "encoder.h"

int spikey_find_topology(spikey_encoder *of) {
    (void)of;
    return SPIKEY_OK;
}
