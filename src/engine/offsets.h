/*
 * offsets.h: places in a text in bytes and in characters (code points), and the
 * windows that a long sequence of tokens is cut into.  It owns no memory.
 */
#ifndef LEPTON_OFFSETS_H
#define LEPTON_OFFSETS_H

#include "tokenizer.h"

/*
 * A place in a text, UTF-8, that knows both of its numbers.  It moves from where it stands, in either
 * direction: places asked for in about their order cost time linear in the text.
 */
typedef struct LepCursor
{
	const char *text;
	size_t len;				/* bytes */
	size_t byte, character; /* where it stands */
} LepCursor;

void lep_cursor_init(LepCursor *cursor, const char *text, size_t len);
/* Characters in front of a byte; a byte inside a character counts as its first, one behind the end as the end. */
size_t lep_cursor_to_byte(LepCursor *cursor, size_t byte);
/* Bytes in front of a character; one behind the end counts as the end. */
size_t lep_cursor_to_character(LepCursor *cursor, size_t character);

/* Turn spans[n] of bytes of a text into spans of characters, in place. */
LepStatus lep_spans_to_characters(const char *text, size_t len, LepSpan *spans, size_t n,
								  const LepStop *stop, LepError *err);

/* A window of tokens [first, first + n) of a sequence. */
typedef struct LepWindow
{
	size_t first, n;
} LepWindow;

/*
 * Cut n_tokens into windows of size tokens that share stride tokens with the one before, as
 * the `tokenizers` package does: from the start, or (left) from the end.  stride is below size.  False
 * behind the last; there is at least one, which may be empty.
 */
bool lep_window(size_t n_tokens, size_t size, size_t stride, bool left, size_t i,
				LepWindow *window);

#endif
