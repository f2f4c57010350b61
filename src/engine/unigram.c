/*
 * unigram.c: the Unigram model (Kudo 2018, arXiv:1804.10959) as `tokenizers`
 * computes it: Viterbi's algorithm over sums of doubles, whose order of
 * additions and comparisons decides between equal paths.  Work is bounded by
 * text length times the longest piece that begins at a place.  The vocabulary
 * is read by unigram_build.c.
 */
#define LEPTON_ENGINE_SOURCE
#include "unigram.h"

#include "tokenizer_model.h"
#include "unigram_tables.h"

/* The model's tables. */
typedef struct Unigram
{
	const LepTrieUnit *trie; /* [n_trie] values are ids */
	size_t n_trie;
	const double *scores; /* [n_scores] by id */
	size_t n_scores;
	const int32_t *bytes; /* [256] ids of "<0x00>" ... "<0xFF>", -1 for none; NULL: no fallback */
	double unk_score;	  /* of a character that is no piece */
	int32_t unk_id;		  /* -1: such a character is an error */
} Unigram;

/* The best path so far to a place between two characters. */
typedef struct BestPath
{
	union
	{
		double score;
		uint32_t next; /* afterwards: where the best path's piece that starts here ends */
	} u;
	uint32_t start; /* where its last piece starts */
	int32_t id;		/* of that piece, -1 as long as no path ends here */
} BestPath;

/* Take the candidate if it is the first or better. */
static inline void
offer(BestPath *place, double score, size_t start, int32_t id)
{
	if (place->id >= 0 && !(score > place->u.score))
		return;
	place->u.score = score;
	place->start = (uint32_t) start;
	place->id = id;
}

/* Say that the tables do not fit together. */
static LepStatus
damaged(LepTokenRun *run)
{
	return lep_error(run->err, LEP_BAD_IMAGE, "tokenizer tables are damaged");
}

/* Offer every piece that starts at chars[start] to the places where they end. */
static LepStatus
offer_pieces(LepTokenRun *run, const Unigram *model, BestPath *best, const LepChar *chars, size_t n,
			 size_t start)
{
	double so_far = best[start].u.score;
	uint32_t node = LEP_TRIE_ROOT;
	bool single = false;
	size_t i = start;

	while (i < n)
	{
		int32_t id;

		node = lep_trie_step_char(model->trie, model->n_trie, node, chars[i++].c);
		if (node == LEP_TRIE_NONE)
			break;
		id = model->trie[node].value;
		if (id < 0)
			continue;
		if ((size_t) id >= model->n_scores)
			return damaged(run);
		offer(&best[i], model->scores[id] + so_far, start, id);
		single = single || i == start + 1;
	}
	if (!single)
	{
		if (model->unk_id < 0)
		{
			lep_error(run->err, LEP_BAD_INPUT, "text has a character that the tokenizer lacks");
			lep_error_detail(run->err,
							 "U+%04X is not in the vocabulary, which has no unknown token.",
							 chars[start].c);
			return LEP_BAD_INPUT;
		}
		offer(&best[start + 1], model->unk_score + so_far, start, model->unk_id);
	}
	return lep_run_worked(run, i - start);
}

/* Append what stands for chars[n], unknown characters: a piece by chance, bytes or the unknown token. */
static LepStatus
push_unknown(LepTokenRun *run, const Unigram *model, const LepChar *chars, size_t n)
{
	size_t start = chars[0].start;
	size_t end = chars[n - 1].end;
	size_t first = run->n;
	uint32_t node = LEP_TRIE_ROOT;

	for (size_t i = 0; i < n && node != LEP_TRIE_NONE; i++)
		node = lep_trie_step_char(model->trie, model->n_trie, node, chars[i].c);
	if (node != LEP_TRIE_NONE && model->trie[node].value >= 0)
	{
		lep_run_push(run, model->trie[node].value, start, end);
		return LEP_OK;
	}
	for (size_t i = 0; i < n && model->bytes != NULL; i++)
	{
		unsigned char bytes[4];
		size_t len = lep_utf8_encode(chars[i].c, bytes);

		for (size_t j = 0; j < len; j++)
		{
			/* One byte without a piece of its own, and the whole run is unknown. */
			if (model->bytes[bytes[j]] < 0)
			{
				run->n = first;
				lep_run_push(run, model->unk_id, start, end);
				return lep_run_mark(run, chars, n);
			}
			lep_run_push(run, model->bytes[bytes[j]], start, end);
		}
	}
	if (model->bytes == NULL)
	{
		lep_run_push(run, model->unk_id, start, end);
		return lep_run_mark(run, chars, n);
	}
	return lep_run_worked(run, n);
}

/* View the model's tables; false when they are not all there. */
static bool
view(const struct LepTokenizerTables *tables, LepData data, Unigram *model)
{
	const LepUnigramTables *head = lep_data_array(data, tables->model_at, 1, sizeof(*head));

	if (head == NULL)
		return false;
	model->scores = lep_data_array(data, head->scores_at, head->n_scores, sizeof(double));
	model->n_scores = head->n_scores;
	model->bytes =
		head->byte_fallback ? lep_data_array(data, head->bytes_at, 256, sizeof(int32_t)) : NULL;
	model->unk_score = head->unk_score;
	model->unk_id = head->unk_id;
	return model->scores != NULL && (!head->byte_fallback || model->bytes != NULL);
}

/* Check what a run relies on. */
static bool
unigram_fits(const struct LepTokenizerTables *tables, LepData data)
{
	Unigram model;

	return view(tables, data, &model);
}

/* Append the tokens of the best segmentation of chars[n]. */
static LepStatus
unigram(LepTokenRun *run, const LepChar *chars, size_t n)
{
	Unigram model = {.trie = run->words, .n_trie = run->tables->words.n};
	BestPath *best;
	size_t room = n;
	size_t at;
	LepStatus status;

	if (!view(run->tables, run->data, &model))
		return damaged(run);
	best = n < UINT32_MAX
			   ? lep_run_memory(run->scratch, LEP_MEMORY_MODEL, n + 1, sizeof(BestPath), 0)
			   : NULL;
	if (best == NULL || (model.bytes != NULL && !lep_mul(n, 4, &room)))
		return lep_run_no_memory(run);
	status = lep_run_reserve(run, room);
	for (size_t i = 0; i <= n && status == LEP_OK; i++)
	{
		best[i].u.score = 0.0;
		best[i].id = i == 0 ? 0 : -1;
	}
	for (size_t i = 0; i < n && status == LEP_OK; i++)
		status = offer_pieces(run, &model, best, chars, n, i);
	if (status != LEP_OK)
		return status;
	/* Every place has a path, if only over unknown characters. */
	for (at = n; at > 0; at = best[at].start)
		best[best[at].start].u.next = (uint32_t) at;
	while (at < n && status == LEP_OK)
	{
		size_t end = best[at].u.next;

		if (best[end].id == model.unk_id)
		{
			while (end < n && best[best[end].u.next].id == model.unk_id)
				end = best[end].u.next;
			status = push_unknown(run, &model, chars + at, end - at);
		}
		else
			lep_run_push(run, best[end].id, chars[at].start, chars[end - 1].end);
		at = end;
	}
	return status;
}

const LepModelKind lep_model_unigram = {"Unigram", lep_unigram_read, lep_unigram_pack, unigram_fits,
										unigram};
