/*
 * spm_model.c: reads SentencePiece model files; knows neither tokenizers nor
 * folders.
 *
 * The file is one protobuf message (sentencepiece_model.proto), of which eight
 * fields in four messages matter.  A reader of protobuf's wire format for
 * these takes less text than descriptors for a protobuf library would, needs
 * no such library on the server, and checks every length against the bytes there are.
 */
#define LEPTON_ENGINE_SOURCE
#include "spm_model.h"

#include <string.h>

#include "utf8.h"

/* Field numbers of sentencepiece_model.proto. */
#define MODEL_PIECES	 1
#define MODEL_TRAINER	 2
#define MODEL_NORMALIZER 3
#define PIECE_TEXT		 1
#define PIECE_SCORE		 2
#define PIECE_TYPE		 3
#define TRAINER_TYPE	 3
#define TRAINER_BYTES	 35
#define TRAINER_UNK_ID	 40
#define NORMALIZER_MAP	 2

/* Wire types. */
#define WIRE_VARINT		 0
#define WIRE_FIXED64	 1
#define WIRE_BYTES		 2
#define WIRE_GROUP_START 3
#define WIRE_GROUP_END	 4
#define WIRE_FIXED32	 5

#define GROUP_DEPTH_MAX 100 /* as protobuf's own readers have it */

/* Bytes [at, end) of a message still to be read. */
typedef struct Wire
{
	const unsigned char *at, *end;
} Wire;

/* One field: a number or bytes. */
typedef struct Field
{
	uint64_t number;
	unsigned type; /* WIRE_ */
	uint64_t value;
	Wire bytes; /* of WIRE_BYTES */
} Field;

/* Read a number of at most ten bytes of seven bits. */
static bool
read_varint(Wire *wire, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 70 && wire->at < wire->end; shift += 7)
	{
		unsigned char byte = *wire->at++;

		if (shift < 64)
			*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* Read a little-endian number of n bytes. */
static bool
read_fixed(Wire *wire, size_t n, uint64_t *value)
{
	*value = 0;
	if ((size_t) (wire->end - wire->at) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		*value |= (uint64_t) *wire->at++ << (8 * i);
	return true;
}

/* Read the next field; the content of groups, which no reader uses any more, is skipped field by field. */
static bool
read_field(Wire *wire, Field *field)
{
	uint64_t tag;

	if (!read_varint(wire, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return false;
	field->number = tag >> 3;
	field->type = (unsigned) (tag & 7);
	switch (field->type)
	{
		case WIRE_VARINT:
			return read_varint(wire, &field->value);
		case WIRE_FIXED64:
			return read_fixed(wire, 8, &field->value);
		case WIRE_FIXED32:
			return read_fixed(wire, 4, &field->value);
		case WIRE_BYTES:
			if (!read_varint(wire, &field->value) ||
				field->value > (uint64_t) (wire->end - wire->at))
				return false;
			field->bytes.at = wire->at;
			wire->at += field->value;
			field->bytes.end = wire->at;
			return true;
		default:
			return field->type == WIRE_GROUP_START || field->type == WIRE_GROUP_END;
	}
}

/* Skip the rest of a group whose start was read. */
static bool
skip_group(Wire *wire, uint64_t number)
{
	uint64_t open[GROUP_DEPTH_MAX] = {number};
	size_t depth = 1;

	while (depth > 0)
	{
		Field field = {0};

		if (!read_field(wire, &field))
			return false;
		if (field.type == WIRE_GROUP_END && open[--depth] != field.number)
			return false;
		if (field.type == WIRE_GROUP_START && depth == GROUP_DEPTH_MAX)
			return false;
		if (field.type == WIRE_GROUP_START)
			open[depth++] = field.number;
	}
	return true;
}

/* Read the next field that is no group; *more is false at the end. */
static bool
next_field(Wire *wire, Field *field, bool *more)
{
	for (;;)
	{
		memset(field, 0, sizeof(*field));
		*more = wire->at < wire->end;
		if (!*more)
			return true;
		if (!read_field(wire, field) || field->type == WIRE_GROUP_END)
			return false;
		if (field->type != WIRE_GROUP_START)
			return true;
		if (!skip_group(wire, field->number))
			return false;
	}
}

/* Is this field number, of this wire type? */
static bool
is_field(const Field *field, uint64_t number, unsigned type)
{
	return field->number == number && field->type == type;
}

/* Are bytes UTF-8? */
static bool
is_utf8(Wire wire)
{
	while (wire.at < wire.end)
	{
		uint32_t c;
		size_t n = lep_utf8_decode(wire.at, (size_t) (wire.end - wire.at), &c);

		if (n == 0)
			return false;
		wire.at += n;
	}
	return true;
}

/* Read one piece. */
static bool
read_piece(Wire wire, LepSpmPiece *piece)
{
	bool more;
	Field field;

	piece->text = "";
	piece->len = 0;
	piece->score = 0;
	piece->type = LEP_SPM_NORMAL;
	while (next_field(&wire, &field, &more) && more)
	{
		if (is_field(&field, PIECE_TEXT, WIRE_BYTES))
		{
			piece->text = (const char *) field.bytes.at;
			piece->len = (size_t) field.value;
			if (!is_utf8(field.bytes))
				return false;
		}
		else if (is_field(&field, PIECE_SCORE, WIRE_FIXED32))
		{
			uint32_t bits = (uint32_t) field.value;

			memcpy(&piece->score, &bits, sizeof(bits));
			/* Not a number, or infinite. */
			if ((bits & 0x7F800000u) == 0x7F800000u)
				return false;
		}
		/* A value that the enumeration lacks counts as not there. */
		else if (is_field(&field, PIECE_TYPE, WIRE_VARINT) && field.value >= LEP_SPM_NORMAL &&
				 field.value <= LEP_SPM_BYTE)
			piece->type = (int32_t) field.value;
	}
	return !more;
}

/* Read the trainer's settings. */
static bool
read_trainer(Wire wire, LepSpmModel *model)
{
	bool more;
	Field field;

	while (next_field(&wire, &field, &more) && more)
	{
		if (is_field(&field, TRAINER_TYPE, WIRE_VARINT) && field.value >= 1 && field.value <= 4)
			model->type = (int64_t) field.value;
		else if (is_field(&field, TRAINER_BYTES, WIRE_VARINT))
			model->byte_fallback = field.value != 0;
		else if (is_field(&field, TRAINER_UNK_ID, WIRE_VARINT))
			model->unk_id = (int32_t) (uint32_t) field.value;
	}
	return !more;
}

/* Read the normalizer's settings. */
static bool
read_normalizer(Wire wire, LepSpmModel *model)
{
	bool more;
	Field field;

	while (next_field(&wire, &field, &more) && more)
	{
		if (!is_field(&field, NORMALIZER_MAP, WIRE_BYTES))
			continue;
		model->charsmap = field.value > 0 ? field.bytes.at : NULL;
		model->charsmap_len = (size_t) field.value;
	}
	return !more;
}

/* Count the pieces; SIZE_MAX when the message is malformed. */
static size_t
count_pieces(Wire wire)
{
	size_t n = 0;
	bool more;
	Field field;

	while (next_field(&wire, &field, &more) && more)
		n += is_field(&field, MODEL_PIECES, WIRE_BYTES);
	return more ? SIZE_MAX : n;
}

/* Refuse the file. */
static LepStatus
malformed(const char *file, size_t offset, LepError *err)
{
	lep_error(err, LEP_BAD_FILE, "file \"%s\" is not a SentencePiece model", file);
	lep_error_detail(err, "The message ends or breaks off at byte %zu.", offset);
	return LEP_BAD_FILE;
}

/* Read a model. */
LepStatus
lep_spm_read(const char *file, const void *bytes, size_t len, LepArena *arena, LepSpmModel *model,
			 LepError *err)
{
	Wire wire = {bytes, (const unsigned char *) bytes + len};
	size_t n = count_pieces(wire);
	bool more = true;
	bool good = true;
	Field field;

	memset(model, 0, sizeof(*model));
	model->type = LEP_SPM_UNIGRAM;
	if (n == SIZE_MAX)
		return malformed(file, 0, err);
	if (n == 0 || n > INT32_MAX)
	{
		lep_error(err, LEP_BAD_FILE, "file \"%s\" is not a SentencePiece model", file);
		lep_error_detail(err, "It has %zu pieces.", n);
		return LEP_BAD_FILE;
	}
	model->pieces = lep_arena_array(arena, n, sizeof(LepSpmPiece));
	if (model->pieces == NULL)
		return lep_error(err, LEP_NO_MEMORY, "out of memory reading file \"%s\"", file);
	while (good && next_field(&wire, &field, &more) && more)
	{
		if (is_field(&field, MODEL_PIECES, WIRE_BYTES))
			good = read_piece(field.bytes, &model->pieces[model->n_pieces++]);
		else if (is_field(&field, MODEL_TRAINER, WIRE_BYTES))
			good = read_trainer(field.bytes, model);
		else if (is_field(&field, MODEL_NORMALIZER, WIRE_BYTES))
			good = read_normalizer(field.bytes, model);
	}
	if (!good || more)
		return malformed(file, (size_t) (wire.at - (const unsigned char *) bytes), err);
	return LEP_OK;
}
