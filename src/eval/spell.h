/* spell.h: what other measures need of a speller. */
#ifndef BFN_SPELL_H
#define BFN_SPELL_H

#include "bfn/eval.h"

bfn_context *bfn__speller_context(const bfn_speller *speller);

#endif
