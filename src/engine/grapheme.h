/*
 * grapheme.h: where user-perceived characters end (extended grapheme clusters,
 * UAX #29), as the `tokenizers` package sees them.
 */
#ifndef LEPTON_GRAPHEME_H
#define LEPTON_GRAPHEME_H

#include <stddef.h>

#include "normalizer.h"

/*
 * End of the grapheme of chars[n] that starts at `at`, which must be the start
 * of one; linear in its length.  Pairs of regional indicators are not joined:
 * the only caller asks for graphemes of fewer than six bytes.
 */
size_t lep_grapheme_end(const LepChar *chars, size_t n, size_t at);

#endif
