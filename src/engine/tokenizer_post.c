/*
 * tokenizer_post.c: the post_processor of a tokenizer.json as two flat
 * templates (for one text and for two) and the trims of spans; what the
 * library refuses is LEP_BAD_FILE, what it knows and lepton does not do is
 * LEP_UNSUPPORTED and named.
 */
#define LEPTON_ENGINE_SOURCE
#include "json.h"
#include <string.h>

#include "tokenizer_tables.h"

#define PIECES_MAX ((size_t) 4096)

/* A template as it grows: pieces in encodings, of which there is one for each text at first. */
typedef struct Layout
{
	LepPiece *pieces;	 /* [n] */
	uint32_t *encodings; /* [n] ascending: which encoding a piece is in */
	size_t n;
	size_t n_encodings;
} Layout;

typedef struct Reader
{
	LepTokenizerSpec *spec;
	Layout layouts[2]; /* of one text and of two */
	bool has_template;
	LepError *err;
} Reader;

/* Has object keys first and second, both booleans? */
static bool
has_booleans(const json_t *object, const char *first, const char *second)
{
	return json_is_boolean(json_object_get(object, first)) &&
		   json_is_boolean(json_object_get(object, second));
}

/* Make room for n pieces. */
static LepStatus
start_layout(Reader *r, Layout *layout, size_t n)
{
	memset(layout, 0, sizeof(*layout));
	if (n > PIECES_MAX)
		return lep_part_unsupported(r->spec, "post_processor", "more than 4096 special tokens",
									r->err);
	layout->pieces = lep_arena_array(r->spec->work, n, sizeof(LepPiece));
	layout->encodings = lep_arena_array(r->spec->work, n, sizeof(uint32_t));
	if (layout->pieces == NULL || layout->encodings == NULL)
		return lep_error(r->err, LEP_NO_MEMORY, "out of memory building a tokenizer");
	return LEP_OK;
}

/* Append a piece; there must be room. */
static void
add_piece(Layout *layout, int32_t id, int32_t type, size_t encoding)
{
	layout->pieces[layout->n].id = id;
	layout->pieces[layout->n].type = type;
	layout->encodings[layout->n++] = (uint32_t) encoding;
	layout->n_encodings = encoding + 1;
}

/* Is value an integer that u32 holds? */
static bool
is_u32(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
		   json_integer_value(value) <= UINT32_MAX;
}

/* An integer clipped to int32_t; what is above is refused as an id without a row. */
static int32_t
clip_id(const json_t *value)
{
	return json_integer_value(value) < INT32_MAX ? (int32_t) json_integer_value(value) : INT32_MAX;
}

/* Is value a ["token", id] pair? */
static bool
is_pair(const json_t *value)
{
	return json_array_size(value) == 2 && json_is_string(json_array_get(value, 0)) &&
		   is_u32(json_array_get(value, 1));
}

/* Trim spans from here on. */
static LepStatus
add_trim(Reader *r, bool prefix)
{
	LepTokenizerSpec *spec = r->spec;
	LepTrim trim = {.prefix = prefix};

	if (spec->n_trims == LEP_TRIMS_MAX)
		return lep_part_unsupported(spec, "post_processor", "more than 4 trims of offsets", r->err);
	for (size_t i = 0; i < 2; i++)
	{
		const Layout *layout = &r->layouts[i];

		for (size_t j = 0; j < layout->n; j++)
		{
			bool leads = j == 0 || layout->encodings[j - 1] != layout->encodings[j];
			bool second = layout->pieces[j].id == LEP_PIECE_SECOND;

			if (layout->pieces[j].id >= 0)
				continue;
			if (i == 1 && !second && trim.first[0] != leads)
				return lep_part_unsupported(spec, "post_processor",
											"offsets trimmed behind other processors", r->err);
			trim.first[second] = leads;
		}
	}
	spec->trims[spec->n_trims++] = trim;
	return LEP_OK;
}

/* Put cls and sep around the first encoding, and sep behind (with before: and before) the others. */
static LepStatus
surround(Reader *r, const json_t *sep, const json_t *cls, bool before, bool types)
{
	int32_t sep_id = clip_id(json_array_get(sep, 1));
	int32_t cls_id = clip_id(json_array_get(cls, 1));

	for (size_t i = 0; i < 2; i++)
	{
		Layout old = r->layouts[i];
		Layout *layout = &r->layouts[i];
		size_t at = 0;
		LepStatus status = start_layout(r, layout, old.n + 2 * old.n_encodings);

		if (status != LEP_OK)
			return status;
		for (size_t e = 0; e < old.n_encodings; e++)
		{
			int32_t type = types && e > 0;

			if (e == 0 || before)
				add_piece(layout, e == 0 ? cls_id : sep_id, type, e);
			for (; at < old.n && old.encodings[at] == e; at++)
				add_piece(layout, old.pieces[at].id, types ? old.pieces[at].type : 0, e);
			add_piece(layout, sep_id, type, e);
		}
	}
	return LEP_OK;
}

/* Read BertProcessing or RobertaProcessing. */
static LepStatus
read_processing(Reader *r, const json_t *json, const json_t *sep, const json_t *cls)
{
	/* The library goes by the keys. */
	bool roberta = has_booleans(json, "trim_offsets", "add_prefix_space");
	LepStatus status = LEP_OK;

	if (!is_pair(sep) || !is_pair(cls))
		return lep_part_malformed(r->spec, "post_processor", "BertProcessing",
								  is_pair(sep) ? "cls" : "sep", r->err);
	if (roberta && json_is_true(json_object_get(json, "trim_offsets")))
		status = add_trim(r, json_is_true(json_object_get(json, "add_prefix_space")));
	return status != LEP_OK ? status : surround(r, sep, cls, roberta, !roberta);
}

/* Check the form of a template (single or pair). */
static bool
is_template(const json_t *list)
{
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const json_t *item = json_array_get(list, i);
		const json_t *text = json_object_get(item, "Sequence");
		const json_t *special = json_object_get(item, "SpecialToken");
		const json_t *piece = text != NULL ? text : special;
		const char *id = json_string_value(json_object_get(piece, "id"));

		if (json_object_size(item) != 1 || id == NULL ||
			!is_u32(json_object_get(piece, "type_id")) ||
			(text != NULL && strcmp(id, "A") != 0 && strcmp(id, "B") != 0))
			return false;
	}
	return true;
}

/* Check the form of a template's special tokens and count their ids. */
static bool
are_special_tokens(const json_t *tokens)
{
	const char *name;
	json_t *token;

	if (!json_is_object(tokens))
		return false;
	json_object_foreach((json_t *) tokens, name, token)
	{
		const json_t *ids = json_object_get(token, "ids");
		const json_t *texts = json_object_get(token, "tokens");

		if (!json_is_string(json_object_get(token, "id")) || !json_is_array(ids) ||
			!json_is_array(texts))
			return false;
		for (size_t i = 0; i < json_array_size(ids); i++)
			if (!is_u32(json_array_get(ids, i)))
				return false;
		for (size_t i = 0; i < json_array_size(texts); i++)
			if (!json_is_string(json_array_get(texts, i)))
				return false;
	}
	return true;
}

/* Ids of the special token that a piece of a template names, NULL when it is not defined. */
static const json_t *
piece_ids(const json_t *tokens, const json_t *special)
{
	const char *id = json_string_value(json_object_get(special, "id"));

	return json_object_get(json_object_get(tokens, id), "ids");
}

/* How many pieces a template makes of old; SIZE_MAX when it uses what is not there. */
static size_t
count_pieces(const json_t *list, const json_t *tokens, const Layout *old)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const json_t *item = json_array_get(list, i);
		const json_t *text = json_object_get(item, "Sequence");
		const json_t *ids = piece_ids(tokens, json_object_get(item, "SpecialToken"));
		size_t e = text != NULL && strcmp(json_string_value(json_object_get(text, "id")), "B") == 0;

		if (text != NULL ? e >= old->n_encodings : ids == NULL)
			return SIZE_MAX;
		n += text != NULL ? old->n : json_array_size(ids);
		if (n > PIECES_MAX)
			return n;
	}
	return n;
}

/* Fill the template list with the encodings of a layout. */
static LepStatus
fill_template(Reader *r, const json_t *list, const json_t *tokens, Layout *layout)
{
	Layout old = *layout;
	size_t n = count_pieces(list, tokens, &old);
	LepStatus status;

	if (n == SIZE_MAX)
	{
		lep_error(r->err, LEP_BAD_FILE, "post_processor of file \"%s\" is malformed",
				  r->spec->file);
		lep_error_detail(r->err, "Its template uses a special token that it does not define, or a "
								 "second text where there is one.");
		return LEP_BAD_FILE;
	}
	status = start_layout(r, layout, n);
	for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
	{
		const json_t *text = json_object_get(json_array_get(list, i), "Sequence");
		const json_t *special = json_object_get(json_array_get(list, i), "SpecialToken");
		const json_t *ids = piece_ids(tokens, special);
		int32_t type = clip_id(json_object_get(text != NULL ? text : special, "type_id"));
		size_t e = text != NULL && strcmp(json_string_value(json_object_get(text, "id")), "B") == 0;

		for (size_t j = 0; text != NULL && j < old.n; j++)
			if (old.encodings[j] == e)
				add_piece(layout, old.pieces[j].id, type, i);
		for (size_t j = 0; j < json_array_size(ids); j++)
			add_piece(layout, clip_id(json_array_get(ids, j)), type, i);
	}
	return status;
}

/* Read TemplateProcessing. */
static LepStatus
read_template(Reader *r, const json_t *json)
{
	const json_t *single = json_object_get(json, "single");
	const json_t *pair = json_object_get(json, "pair");
	const json_t *tokens = json_object_get(json, "special_tokens");
	LepStatus status;

	if (!is_template(single) || !is_template(pair) || !are_special_tokens(tokens))
		return lep_part_malformed(r->spec, "post_processor", "TemplateProcessing",
								  !is_template(single)			? "single"
								  : !are_special_tokens(tokens) ? "special_tokens"
																: "pair",
								  r->err);
	/* The library has no answer either where a template meets the pieces of another. */
	if (r->has_template)
		return lep_part_unsupported(r->spec, "post_processor", "Sequence of two templates", r->err);
	r->has_template = true;
	status = fill_template(r, single, tokens, &r->layouts[0]);
	return status != LEP_OK ? status : fill_template(r, pair, tokens, &r->layouts[1]);
}

/* Read a post-processor. */
static LepStatus
read_processor(Reader *r, const json_t *json, int depth)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const json_t *sep = json_object_get(json, "sep");
	const json_t *cls = json_object_get(json, "cls");
	const json_t *list = json_object_get(json, "processors");
	LepStatus status = LEP_OK;

	if (!json_is_object(json) || depth > LEP_PART_DEPTH_MAX)
		return lep_part_malformed(r->spec, "post_processor", NULL, NULL, r->err);
	/* The library goes by the keys and asks for the type only where there are none. */
	if (sep != NULL && cls != NULL)
		return read_processing(r, json, sep, cls);
	if (type != NULL && strcmp(type, "ByteLevel") == 0)
	{
		const json_t *regex = json_object_get(json, "use_regex");

		if (!has_booleans(json, "add_prefix_space", "trim_offsets") ||
			(regex != NULL && !json_is_boolean(regex)))
			return lep_part_malformed(r->spec, "post_processor", type, "trim_offsets", r->err);
		if (!json_is_true(json_object_get(json, "trim_offsets")))
			return LEP_OK;
		return add_trim(r, json_is_true(json_object_get(json, "add_prefix_space")));
	}
	if (json_object_get(json, "single") != NULL)
		return read_template(r, json);
	if (type == NULL || strcmp(type, "Sequence") != 0 || !json_is_array(list))
		return lep_part_malformed(r->spec, "post_processor", type, NULL, r->err);
	for (size_t i = 0; i < json_array_size(list) && status == LEP_OK; i++)
		status = read_processor(r, json_array_get(list, i), depth + 1);
	return status;
}

/* Read a post_processor; nothing (json NULL or null) is the bare texts. */
LepStatus
lep_spec_post_processor(LepTokenizerSpec *spec, const json_t *json, LepError *err)
{
	Reader r = {.spec = spec, .err = err};
	LepStatus status = start_layout(&r, &r.layouts[0], 1);

	if (status == LEP_OK)
		status = start_layout(&r, &r.layouts[1], 2);
	if (status != LEP_OK)
		return status;
	add_piece(&r.layouts[0], LEP_PIECE_TEXT, 0, 0);
	add_piece(&r.layouts[1], LEP_PIECE_TEXT, 0, 0);
	add_piece(&r.layouts[1], LEP_PIECE_SECOND, 1, 1);
	if (json != NULL && !json_is_null(json))
		status = read_processor(&r, json, 0);
	spec->pieces = r.layouts[0].pieces;
	spec->n_pieces = r.layouts[0].n;
	spec->pair = r.layouts[1].pieces;
	spec->n_pair = r.layouts[1].n;
	return status;
}
