/*
 * offsets.c: bytes to characters and back; windows.
 */
#define LEPTON_ENGINE_SOURCE

#include "offsets.h"

#define STEPS ((size_t) 1 << 16) /* spans between two looks at stop */

/* Tell whether a byte begins a character */
static bool
begins_character(char c)
{
	return ((unsigned char) c & 0xC0) != 0x80;
}

/* Stand at the start of a text */
void
lep_cursor_init(LepCursor *cursor, const char *text, size_t len)
{
	cursor->text = text;
	cursor->len = len;
	cursor->byte = cursor->character = 0;
}

/* Move to the next character; not at the end */
static void
step_forward(LepCursor *cursor)
{
	do
		cursor->byte++;
	while (cursor->byte < cursor->len && !begins_character(cursor->text[cursor->byte]));
	cursor->character++;
}

/* Move to the character before; not at the start */
static void
step_back(LepCursor *cursor)
{
	do
		cursor->byte--;
	while (cursor->byte > 0 && !begins_character(cursor->text[cursor->byte]));
	cursor->character--;
}

/* Move to the character that a byte belongs to */
size_t
lep_cursor_to_byte(LepCursor *cursor, size_t byte)
{
	if (byte > cursor->len)
		byte = cursor->len;
	while (byte > 0 && byte < cursor->len && !begins_character(cursor->text[byte]))
		byte--;
	/* The start is nearer. */
	if (byte < cursor->byte / 2)
		cursor->byte = cursor->character = 0;
	while (cursor->byte < byte)
		step_forward(cursor);
	while (cursor->byte > byte)
		step_back(cursor);
	return cursor->character;
}

/* Move to a character */
size_t
lep_cursor_to_character(LepCursor *cursor, size_t character)
{
	if (character < cursor->character / 2)
		cursor->byte = cursor->character = 0;
	while (cursor->character < character && cursor->byte < cursor->len)
		step_forward(cursor);
	while (cursor->character > character)
		step_back(cursor);
	return cursor->byte;
}

/* Turn spans of bytes into spans of characters */
LepStatus
lep_spans_to_characters(const char *text, size_t len, LepSpan *spans, size_t n, const LepStop *stop,
						LepError *err)
{
	LepCursor cursor;

	lep_cursor_init(&cursor, text, len);
	for (size_t i = 0; i < n; i++)
	{
		if (i % STEPS == 0 && lep_stopped(stop))
			return lep_error(err, LEP_CANCELLED, "counting characters was cancelled");
		spans[i].start = (uint32_t) lep_cursor_to_byte(&cursor, spans[i].start);
		spans[i].end = (uint32_t) lep_cursor_to_byte(&cursor, spans[i].end);
	}
	return LEP_OK;
}

/* Find a window */
bool
lep_window(size_t n_tokens, size_t size, size_t stride, bool left, size_t i, LepWindow *window)
{
	size_t step = size - stride;
	size_t at;

	if (n_tokens <= size)
	{
		window->first = 0;
		window->n = n_tokens;
		return i == 0;
	}
	/* The last one begins at or before the first start from which all of the rest fits. */
	if (i > (n_tokens - size + step - 1) / step)
		return false;
	at = i * step;
	window->n = n_tokens - at < size ? n_tokens - at : size;
	window->first = left ? n_tokens - at - window->n : at;
	return true;
}
