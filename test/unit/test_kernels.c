/*
 * test_kernels.c: every operator of every instruction set that runs here
 * against the reference, over all small shapes and some real ones; equal bits
 * whatever the neighbours; odd strides, unaligned arrays, NaN and infinity.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_arrays.h"
#include "testing.h"

static const LepKernels *ref;

/* One linear product with its arrays. */
typedef struct Case
{
	LepLinear a;
	float *x, *w, *bias, *residual;
	void *packed;
} Case;

/* Fill a case; strides are larger than the rows by pad. */
static Case
make_case(const LepKernels *k, size_t rows, size_t d_out, size_t d_in, size_t pad)
{
	Case c;

	c.x = array(rows * (d_in + pad));
	c.w = array(d_out * d_in);
	c.bias = array(d_out);
	c.residual = array(rows * (d_out + pad));
	c.packed = aligned(k->linear_packed_size(d_out, d_in));
	k->linear_pack(c.w, d_out, d_in, c.packed);
	c.a = (LepLinear){.x = c.x,
					  .ldx = d_in + pad,
					  .w = c.packed,
					  .bias = c.bias,
					  .residual = c.residual,
					  .ldr = d_out + pad,
					  .ldo = d_out + pad,
					  .n_rows = rows,
					  .d_out = d_out,
					  .d_in = d_in,
					  .act = LEP_ACT_NONE};
	return c;
}

/* Free a case. */
static void
drop_case(Case *c)
{
	drop(c->x);
	drop(c->w);
	drop(c->bias);
	drop(c->residual);
	drop(c->packed);
}

/*
 * Compare linear with the reference for one shape and epilogue.  form: 1, 2
 * padding of rows; 4 bias; 8 residual; 16 residual is out.  Inputs are below 1,
 * so a sum of d_in products in single precision is off by less than
 * EPS (d_in + 8).
 */
static void
check_linear(const LepKernels *k, size_t rows, size_t d_out, size_t d_in, LepAct act, int form)
{
	Case c = make_case(k, rows, d_out, d_in, (size_t) (form & 3));
	float *out = array(rows * c.a.ldo), *want = array(rows * c.a.ldo);
	float *before = array(rows * c.a.ldo);
	LepLinear r;
	double worst = 0.0;
	bool kept = true;

	c.a.act = act;
	c.a.bias = form & 4 ? c.bias : NULL;
	c.a.residual = form & 8 ? c.residual : NULL;
	r = c.a;
	r.w = c.w;
	r.out = want;
	ref->linear(&r);
	c.a.out = out;
	if (form & 16 && c.a.residual)
	{
		memcpy(out, c.residual, rows * c.a.ldo * sizeof(float));
		c.a.residual = out;
	}
	memcpy(before, out, rows * c.a.ldo * sizeof(float));
	k->linear(&c.a);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c.a.ldo; j++)
		{
			size_t at = i * c.a.ldo + j;
			double bound = EPS * ((double) d_in + 8.0);

			if (act == LEP_ACT_RELU2)
				bound *= 4.0 + (double) d_in;
			if (j >= d_out)
				kept = kept && out[at] == before[at];
			else
				worst = fmax(worst, distance(out[at], want[at], bound));
		}
	check(worst <= 1.0, "%s linear rows %zu d_out %zu d_in %zu act %d form %d: %g of the bound",
		  k->isa, rows, d_out, d_in, act, form, worst);
	check(kept, "%s linear rows %zu d_out %zu d_in %zu: wrote between rows", k->isa, rows, d_out,
		  d_in);
	drop_case(&c);
	drop(out);
	drop(want);
	drop(before);
}

/* Check all small shapes, tile heights and widths, then some of real models. */
static void
test_linear(const LepKernels *k, size_t rows_max, size_t cols_max)
{
	static const size_t real[][3] = {{96, 384, 384},   {33, 1152, 384}, {29, 1536, 384},
									 {31, 384, 1536},  {5, 2, 384},		{1, 384, 1536},
									 {128, 100, 3072}, {3, 17, 4099},	{0, 5, 5}};
	int form = 0;

	for (size_t rows = 1; rows <= rows_max; rows++)
		for (size_t d_out = 1; d_out <= cols_max; d_out++)
			for (size_t d_in = 1; d_in <= 9; d_in += 1 + d_in / 6)
			{
				form = (form + 7) & 31;
				check_linear(k, rows, d_out, d_in, (LepAct) (form % LEP_ACT_COUNT), form);
			}
	for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++)
		for (int f = 0; f < 32; f += 5)
			check_linear(k, real[i][0], real[i][1], real[i][2], (LepAct) (f % 3), f);
	check(k->linear_packed_size(SIZE_MAX, 2) == 0 && k->linear_packed_size(SIZE_MAX / 8, 8) == 0,
		  "%s: packed size overflow not seen", k->isa);
}

/* Check that a row's bits depend neither on the number of rows nor on its place. */
static void
test_linear_same_bits(const LepKernels *k)
{
	static const size_t shapes[][2] = {{70, 33}, {47, 130}, {384, 384}, {9, 1536}, {40, 1024}};
	static const LepAct acts[] = {LEP_ACT_NONE, LEP_ACT_GELU};

	for (size_t s = 0; s < 5; s++)
		for (int act = 0; act < 2; act++)
		{
			size_t rows = 300, d_out = shapes[s][0];
			Case c = make_case(k, rows, d_out, shapes[s][1], s == 4 ? 0 : 3);
			float *all = array(rows * c.a.ldo), *part = array(rows * c.a.ldo);
			LepLinear a = c.a;
			bool same = true;

			a.act = acts[act];
			if (act == 0)
				a.residual = NULL;
			a.out = all;
			k->linear(&a);
			for (size_t n = 1; n <= 33; n++)
				for (size_t first = n % 5; first + n <= rows; first += 41 + n)
				{
					a.x = c.x + first * c.a.ldx;
					a.residual = act ? c.residual + first * c.a.ldr : NULL;
					a.n_rows = n;
					a.out = part;
					k->linear(&a);
					for (size_t r = 0; r < n; r++)
						same = same && memcmp(part + r * a.ldo, all + (first + r) * a.ldo,
											  d_out * sizeof(float)) == 0;
				}
			check(same, "%s linear d_out %zu d_in %zu: bits depend on neighbours", k->isa, d_out,
				  shapes[s][1]);
			drop_case(&c);
			drop(all);
			drop(part);
		}
}

/* Check that NaN in one row of x stays in that row. */
static void
test_linear_nan(const LepKernels *k)
{
	Case c = make_case(k, 20, 40, 37, 0);
	float *out = array(20 * 40);
	bool right = true;

	c.x[7 * 37 + 5] = NAN;
	c.x[9 * 37 + 36] = INFINITY;
	c.a.out = out;
	c.a.act = LEP_ACT_GELU;
	k->linear(&c.a);
	for (size_t r = 0; r < 20; r++)
		for (size_t j = 0; j < 40; j++)
			if (r == 7)
				right = right && isnan(out[r * 40 + j]);
			else if (r != 9)
				right = right && isfinite(out[r * 40 + j]);
	check(right, "%s linear: NaN or infinity went astray", k->isa);
	drop_case(&c);
	drop(out);
}

/* Compare attention with the reference for one shape. */
static void
check_attention(const LepKernels *k, size_t n, size_t heads, size_t d, float scale)
{
	size_t width = heads * d, ldq = 3 * width + n % 3, ldo = width + n % 2;
	float *qkv = array(n * ldq), *out = array(n * ldo), *want = array(n * ldo);
	LepAttention a = {.q = qkv,
					  .k = qkv + width,
					  .v = qkv + 2 * width,
					  .ldq = ldq,
					  .ldo = ldo,
					  .n_tokens = n,
					  .n_heads = heads,
					  .d_head = d,
					  .scale = scale};
	double worst = 0.0;

	a.out = want;
	a.scratch = aligned(ref->attention_scratch(n, d, 0));
	ref->attention(&a);
	drop(a.scratch);
	a.out = out;
	a.scratch = aligned(k->attention_scratch(n, d, 0));
	k->attention(&a);
	for (size_t t = 0; t < n; t++)
		for (size_t i = 0; i < width; i++)
			worst =
				fmax(worst, distance(out[t * ldo + i], want[t * ldo + i],
									 EPS * (8.0 + fabs(scale) * (double) d + sqrt((double) n))));
	check(worst <= 1.0, "%s attention tokens %zu heads %zu d_head %zu: %g of the bound", k->isa, n,
		  heads, d, worst);
	/* every query equal: every answer must have the same bits */
	for (size_t t = 1; t < n; t++)
		memcpy(qkv + t * ldq, qkv, width * sizeof(float));
	k->attention(&a);
	for (size_t t = 1; t < n; t++)
		if (memcmp(out + t * ldo, out, width * sizeof(float)) != 0)
		{
			check(false, "%s attention tokens %zu d_head %zu: bits depend on position %zu", k->isa,
				  n, d, t);
			break;
		}
	drop(a.scratch);
	drop(qkv);
	drop(out);
	drop(want);
}

/* Check attention over small shapes and those of real models. */
static void
test_attention(const LepKernels *k)
{
	static const size_t heads[] = {1,  2,  3,  4,  7,  8,  9,  15, 16,
								   17, 24, 31, 32, 33, 48, 64, 65, 128};

	for (size_t n = 1; n <= 35; n++)
		for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
			check_attention(k, n, 1 + n % 2, heads[i], i % 5 == 4 ? -0.5f : 1.0f);
	check_attention(k, 128, 12, 32, 0.17677669f);
	check_attention(k, 257, 2, 64, 0.125f);
	check_attention(k, 512, 1, 32, 4.0f);
	check_attention(k, 0, 1, 32, 1.0f);
	check(k->attention_scratch(SIZE_MAX / 16, 64, 0) == 0 || k == ref,
		  "%s: scratch overflow not seen", k->isa);
}

enum
{
	TURNED = 1,
	LOCAL = 2,
	BIASED = 4,
	PLACE_KEYS = 8,
	PLACE_QUERIES = 16,
	GROUPED = 32
};

/* An attention with the kinds of changes in form, its arrays in that order; see drop_variant(). */
typedef struct Variant
{
	LepAttention a;
	float *arrays[5];
	int32_t *place;
	size_t n_places;
} Variant;

/* Make the tables of an attention over n tokens; local is the window where form has one. */
static void
make_variant(Variant *v, unsigned form, size_t n, size_t heads, size_t d, size_t local)
{
	size_t width = heads * d, ldb = 2 * n - 1 + n % 3;
	size_t half = n < 9 ? n : 9; /* places to either side, the farthest shared */

	v->n_places = (form & (PLACE_KEYS | PLACE_QUERIES)) != 0 ? 2 * half : 0;
	v->arrays[0] = array(n * (d / 2));
	v->arrays[1] = array(n * (d / 2));
	v->arrays[2] = array(heads * ldb);
	v->arrays[3] = array(2 * half * (width + 1));
	v->arrays[4] = array(2 * half * (width + 1));
	v->place = guarded((2 * n - 1) * sizeof(int32_t), sizeof(int32_t));
	for (size_t i = 0; i < 2 * n - 1; i++)
	{
		ptrdiff_t p = (ptrdiff_t) half + (ptrdiff_t) n - 1 - (ptrdiff_t) i;

		v->place[i] = (int32_t) fmin(fmax((double) p, 0), 2.0 * (double) half - 1);
	}
	v->a.n_group = (form & GROUPED) != 0 ? heads : 0;
	v->a.local = (form & LOCAL) != 0 ? local : 0;
	v->a.cosine = (form & TURNED) != 0 ? v->arrays[0] : NULL;
	v->a.sine = v->arrays[1];
	v->a.bias = (form & BIASED) != 0 ? v->arrays[2] + n - 1 : NULL;
	v->a.ldb = ldb;
	v->a.place_key = (form & PLACE_KEYS) != 0 ? v->arrays[3] : NULL;
	v->a.place_query = (form & PLACE_QUERIES) != 0 ? v->arrays[4] : NULL;
	v->a.ldp = width + 1;
	v->a.place = v->n_places > 0 ? v->place + n - 1 : NULL;
}

/* Free what make_variant() gave. */
static void
drop_variant(Variant *v)
{
	for (size_t i = 0; i < 5; i++)
		drop(v->arrays[i]);
	drop(v->place);
}

/* Compare attention of one form with the reference; and its bits with those of a few queries at once. */
static void
check_variant(const LepKernels *k, unsigned form, size_t n, size_t heads, size_t d, size_t local)
{
	size_t width = heads * d, ldq = 3 * width + n % 3, ldo = width + n % 2;
	float *qkv = array(n * ldq), *out = array(n * ldo), *want = array(n * ldo);
	Variant v = {.a = {.q = qkv,
					   .k = qkv + width,
					   .v = qkv + 2 * width,
					   .ldq = ldq,
					   .ldo = ldo,
					   .n_tokens = n,
					   .n_heads = heads,
					   .d_head = d,
					   .scale = 0.7f}};
	double worst = 0.0;
	bool same = true;

	make_variant(&v, form, n, heads, d, local);
	v.a.out = want;
	v.a.scratch = aligned(ref->attention_scratch(n, d, v.n_places));
	ref->attention(&v.a);
	drop(v.a.scratch);
	v.a.out = out;
	v.a.scratch = aligned(k->attention_scratch(n, d, v.n_places));
	memset(v.a.scratch, 0xff, k->attention_scratch(n, d, v.n_places));
	k->attention(&v.a);
	for (size_t t = 0; t < n; t++)
		for (size_t i = 0; i < width; i++)
			worst = fmax(worst, distance(out[t * ldo + i], want[t * ldo + i],
										 EPS * (16.0 + 4.0 * (double) d + sqrt((double) n))));
	check(worst <= 1.0, "%s attention form %u tokens %zu heads %zu d_head %zu: %g of the bound",
		  k->isa, form, n, heads, d, worst);
	memcpy(want, out, n * ldo * sizeof(float));
	memset(out, 0, n * ldo * sizeof(float));
	for (size_t t = 0; t < n; t += v.a.n_queries)
	{
		v.a.first_query = t;
		v.a.n_queries = n - t < 1 + t % 5 ? n - t : 1 + t % 5;
		k->attention(&v.a);
	}
	for (size_t t = 0; t < n; t++)
		same = same && memcmp(out + t * ldo, want + t * ldo, width * sizeof(float)) == 0;
	check(same, "%s attention form %u tokens %zu d_head %zu: bits depend on the queries' company",
		  k->isa, form, n, d);
	drop_variant(&v);
	drop(v.a.scratch);
	drop(qkv);
	drop(out);
	drop(want);
}

/* Check every kind of attention over small shapes and those of real models. */
static void
test_variants(const LepKernels *k)
{
	static const size_t heads[] = {2, 4, 6, 16, 32, 34, 64, 66};

	for (size_t n = 1; n <= 35; n++)
		for (unsigned form = 1; form < 64; form++)
			check_variant(k, form, n, 1 + n % 2, heads[(n + form) % 8],
						  1 + (n * 7 + form) % (n + 2));
	for (size_t local = 1; local <= 200; local += 13)
		check_variant(k, LOCAL | TURNED, 199, 1, 32, local);
	check_variant(k, LOCAL, 300, 2, 64, 65);
	check_variant(k, BIASED, 300, 2, 64, 0);
	check_variant(k, PLACE_KEYS | PLACE_QUERIES, 300, 2, 64, 0);
	check(k->attention_scratch(64, 64, SIZE_MAX / 16) == 0 || k == ref,
		  "%s: scratch overflow not seen", k->isa);
}

/*
 * Compare an activation with the reference over all magnitudes.  Bound: relative
 * to the result, plus floor (absolute).
 */
static void
check_activation(const LepKernels *k, LepAct act, double relative, double floor_error)
{
	enum
	{
		PIECE = 1000
	};
	float *x = array(PIECE), *got = array(PIECE), *want = array(PIECE);
	double worst = 0.0, worst_relative = 0.0;
	float at = 0.0f;
	uint32_t bits = 0;

	for (int piece = 0; piece < 520; piece++)
	{
		for (size_t i = 0; i < PIECE; i++)
		{
			/* half of them by bit pattern, half evenly within 15 */
			if (i & 1)
			{
				bits += 4127u * 4;
				memcpy(&x[i], &bits, sizeof(bits));
			}
			else
				x[i] = noise() * 15.0f;
			if (isinf(x[i]) || isnan(x[i]) || fabsf(x[i]) > 1e18f)
				x[i] = noise();
		}
		memcpy(got, x, PIECE * sizeof(float));
		memcpy(want, x, PIECE * sizeof(float));
		k->activate(got, PIECE - (size_t) piece % 17, act);
		ref->activate(want, PIECE - (size_t) piece % 17, act);
		for (size_t i = 0; i < PIECE; i++)
		{
			double d = distance(got[i], want[i], relative * fabs((double) want[i]) + floor_error);

			if (d > worst)
			{
				worst = d;
				at = x[i];
			}
			if (fabs(want[i]) > floor_error * 100.0)
				worst_relative = fmax(worst_relative, distance(got[i], want[i], fabs(want[i])));
		}
	}
	check(worst <= 1.0, "%s activation %d: %g of the bound at %.9g (relative %g)", k->isa, act,
		  worst, at, worst_relative);
	if (getenv("VERBOSE"))
		printf("%s activation %d: relative error up to %.2e\n", k->isa, act, worst_relative);
	x[0] = NAN;
	x[1] = INFINITY;
	x[2] = -INFINITY;
	x[3] = -0.0f;
	memcpy(got, x, 4 * sizeof(float));
	memcpy(want, x, 4 * sizeof(float));
	k->activate(got, 4, act);
	ref->activate(want, 4, act);
	check(isnan(got[0]), "%s activation %d of NaN gave %g", k->isa, act, got[0]);
	check(got[1] == want[1], "%s activation %d of infinity gave %g", k->isa, act, got[1]);
	check(got[2] == want[2], "%s activation %d of -infinity gave %g, not %g", k->isa, act, got[2],
		  want[2]);
	check(got[3] == 0.0f || act == LEP_ACT_SIGMOID, "%s activation %d of -0 gave %g", k->isa, act,
		  got[3]);
	drop(x);
	drop(got);
	drop(want);
}

/* Check all activations with their stated accuracy. */
static void
test_activations(const LepKernels *k)
{
	check_activation(k, LEP_ACT_NONE, 0.0, 1e-45);
	check_activation(k, LEP_ACT_GELU, 4e-7, 1e-8);
	check_activation(k, LEP_ACT_GELU_TANH, 4e-7, 1e-8);
	check_activation(k, LEP_ACT_QUICK_GELU, 4e-7, 1e-8);
	check_activation(k, LEP_ACT_RELU, 0.0, 1e-45);
	check_activation(k, LEP_ACT_RELU6, 0.0, 1e-45);
	check_activation(k, LEP_ACT_RELU2, 1e-7, 1e-38);
	check_activation(k, LEP_ACT_SILU, 3e-7, 1e-36);
	check_activation(k, LEP_ACT_MISH, 5e-7, 1e-37);
	check_activation(k, LEP_ACT_TANH, 2e-7, 1e-38);
	check_activation(k, LEP_ACT_SIGMOID, 2e-7, 1e-37);
	check_activation(k, LEP_ACT_LEAKY_RELU, 1.2e-7, 1e-44);
}

/* Check that a gate is the activation times the other input, for every small length, also in place. */
static void
test_gate(const LepKernels *k)
{
	for (size_t n = 0; n <= 70; n++)
		for (int act = LEP_ACT_NONE; act < LEP_ACT_COUNT; act++)
		{
			float *x = array(n), *y = array(n), *got = array(n), *want = array(n);

			memcpy(want, x, n * sizeof(float));
			k->activate(want, n, (LepAct) act);
			for (size_t i = 0; i < n; i++)
				want[i] *= y[i];
			k->gate(x, y, got, n, (LepAct) act);
			k->gate(x, y, x, n, (LepAct) act);
			check(k == ref || (memcmp(got, want, n * sizeof(float)) == 0 &&
							   memcmp(x, want, n * sizeof(float)) == 0),
				  "%s gate %d n %zu differs from activate", k->isa, act, n);
			for (size_t i = 0; i < n && k == ref; i++)
				check(distance(got[i], want[i], 1e-6) <= 1.0, "gate %d differs from activate", act);
			drop(x);
			drop(y);
			drop(got);
			drop(want);
		}
}

/* Check norm and softmax for every small width, and equal bits wherever a row stands. */
static void
test_rows(const LepKernels *k)
{
	for (size_t d = 1; d <= 400; d += d < 70 ? 1 : 67)
	{
		size_t rows = 3;
		float *x = array(rows * d), *got = array(rows * d), *want = array(rows * d);
		float *gamma = array(d), *beta = array(d), *one = array(d);
		double worst = 0.0, worst_softmax = 0.0;

		for (size_t i = 0; i < d; i++)
			x[d + i] = x[d + i] * 3.0f + 10.0f;
		k->norm(x, gamma, beta, 1e-12f, got, rows, d);
		ref->norm(x, gamma, beta, 1e-12f, want, rows, d);
		for (size_t i = 0; i < rows * d; i++)
			worst = fmax(worst, distance(got[i], want[i], EPS * 40.0));
		check(worst <= 1.0 || d < 3, "%s norm d %zu: %g of the bound", k->isa, d, worst);
		k->norm(x + d, gamma, beta, 1e-12f, one, 1, d);
		check(memcmp(one, got + d, d * sizeof(float)) == 0, "%s norm d %zu: bits differ", k->isa,
			  d);
		memcpy(got, x, rows * d * sizeof(float));
		k->norm(got, gamma, beta, 1e-12f, got, rows, d);
		check(memcmp(one, got + d, d * sizeof(float)) == 0, "%s norm d %zu in place", k->isa, d);

		k->rms_norm(x, gamma, 1e-5f, got, rows, d);
		ref->rms_norm(x, gamma, 1e-5f, want, rows, d);
		worst = 0.0;
		for (size_t i = 0; i < rows * d; i++)
			worst = fmax(worst, distance(got[i], want[i], EPS * 40.0));
		check(worst <= 1.0, "%s rms_norm d %zu: %g of the bound", k->isa, d, worst);
		k->rms_norm(x + d, gamma, 1e-5f, one, 1, d);
		check(memcmp(one, got + d, d * sizeof(float)) == 0, "%s rms_norm d %zu: bits differ",
			  k->isa, d);
		memcpy(got, x, rows * d * sizeof(float));
		k->rms_norm(got, gamma, 1e-5f, got, rows, d);
		check(memcmp(one, got + d, d * sizeof(float)) == 0, "%s rms_norm d %zu in place", k->isa,
			  d);

		for (size_t i = 0; i < d; i++)
			x[i] *= 60.0f;
		memcpy(got, x, rows * d * sizeof(float));
		memcpy(want, x, rows * d * sizeof(float));
		memcpy(one, x + d, d * sizeof(float));
		k->softmax(got, rows, d);
		ref->softmax(want, rows, d);
		/* inputs lie within 120: their differences are rounded to 2^-18 */
		for (size_t i = 0; i < rows * d; i++)
			worst_softmax = fmax(worst_softmax, distance(got[i], want[i], 5e-6 * want[i] + 1e-37));
		check(worst_softmax <= 1.0, "%s softmax d %zu: %g of the bound", k->isa, d, worst_softmax);
		k->softmax(one, 1, d);
		check(memcmp(one, got + d, d * sizeof(float)) == 0, "%s softmax d %zu: bits differ", k->isa,
			  d);
		x[d / 2] = NAN;
		k->softmax(x, 1, d);
		check(isnan(x[0]) && isnan(x[d - 1]), "%s softmax d %zu hides NaN", k->isa, d);
		drop(x);
		drop(got);
		drop(want);
		drop(gamma);
		drop(beta);
		drop(one);
	}
}

/* Check add_scaled, max and dot for every small length. */
static void
test_vectors(const LepKernels *k)
{
	for (size_t n = 0; n <= 700; n += n < 70 ? 1 : 211)
	{
		float *a = array(n), *b = array(n), *got = array(n), *want = array(n);
		double worst = 0.0;

		memcpy(got, a, n * sizeof(float));
		memcpy(want, a, n * sizeof(float));
		k->add_scaled(got, b, 0.37f, n);
		ref->add_scaled(want, b, 0.37f, n);
		for (size_t i = 0; i < n; i++)
			worst = fmax(worst, distance(got[i], want[i], 2.0 * EPS));
		check(worst <= 1.0, "%s add_scaled n %zu: %g of the bound", k->isa, n, worst);
		check(fabs((double) k->dot(a, b, n) - ref->dot(a, b, n)) <= EPS * (2.0 + (double) n * 0.25),
			  "%s dot n %zu", k->isa, n);
		if (n > 2)
			a[n / 2] = b[n / 3] = NAN;
		memcpy(got, a, n * sizeof(float));
		memcpy(want, a, n * sizeof(float));
		k->max(got, b, n);
		ref->max(want, b, n);
		worst = 0.0;
		for (size_t i = 0; i < n; i++)
			worst = fmax(worst, distance(got[i], want[i], 1e-30));
		check(worst == 0.0, "%s max n %zu differs", k->isa, n);
		drop(a);
		drop(b);
		drop(got);
		drop(want);
	}
}

/* Check every half-precision number of both kinds, and every small length. */
static void
test_widen(const LepKernels *k)
{
	uint16_t *bits = malloc(65536 * sizeof(uint16_t));
	float *got = malloc(65536 * sizeof(float)), *want = malloc(65536 * sizeof(float));

	for (size_t i = 0; i < 65536; i++)
		bits[i] = (uint16_t) i;
	for (int dtype = LEP_F16; dtype <= LEP_BF16; dtype++)
	{
		bool same = true;

		k->widen(bits, (LepDtype) dtype, got, 65536);
		ref->widen(bits, (LepDtype) dtype, want, 65536);
		for (size_t i = 0; i < 65536; i++)
			same = same && (isnan(want[i]) ? isnan(got[i]) : memcmp(got + i, want + i, 4) == 0);
		check(same, "%s widen dtype %d differs", k->isa, dtype);
	}
	for (size_t n = 0; n <= 40; n++)
		for (int dtype = LEP_F32; dtype <= LEP_BF16; dtype++)
		{
			size_t bytes = n * lep_dtype_size((LepDtype) dtype);
			char *exact = guarded(bytes, 2);
			float *out = array(n);

			memcpy(exact, want, bytes);
			k->widen(exact, (LepDtype) dtype, out, n);
			ref->widen(exact, (LepDtype) dtype, got, n);
			for (size_t i = 0; i < n; i++)
				check(distance(out[i], got[i], 1e-38) == 0.0, "%s widen n %zu", k->isa, n);
			drop(exact);
			drop(out);
		}
	free(bits);
	free(got);
	free(want);
}

/* Check embed with every dtype and with tables missing. */
static void
test_embed(const LepKernels *k)
{
	enum
	{
		ROWS = 30
	};

	for (int form = 0; form < 64; form++)
		for (size_t d = 5; d <= 100; d += 19)
		{
			LepDtype dtype = (LepDtype) (form & 3);
			size_t scales = dtype == LEP_I8 ? ROWS * sizeof(float) : 0;
			size_t bytes = ROWS * d * lep_dtype_size(dtype);
			char *table = guarded(scales + bytes, sizeof(float));
			float *gamma = array(d), *beta = array(d);
			float *got = array(6 * d), *want = array(6 * d);
			int32_t ids[6], positions[6], types[6];
			LepEmbed a = {.ids = ids,
						  .positions = positions,
						  .types = form & 8 ? types : NULL,
						  .word = table,
						  .position = form & 32 ? NULL : table,
						  .type = form & 4 ? table : NULL,
						  .word_dtype = dtype,
						  .position_dtype = dtype,
						  .type_dtype = dtype,
						  .word_rows = ROWS,
						  .position_rows = ROWS,
						  .type_rows = ROWS,
						  .gamma = form & 16 ? gamma : NULL,
						  .beta = beta,
						  .eps = 1e-5f,
						  .n_tokens = 6,
						  .d = d};
			double worst = 0.0;

			for (size_t i = 0; i < scales / sizeof(float); i++)
				((float *) table)[i] = (1.0f + 0.5f * noise()) / 127.0f;
			for (size_t i = 0; i < ROWS * d; i++)
				if (dtype == LEP_F32)
					((float *) table)[i] = noise();
				else if (dtype == LEP_I8)
					((int8_t *) table)[scales + i] = (int8_t) (i * 977 % 256 - 128);
				else
					((uint16_t *) table)[i] = (uint16_t) (0x3000 + i * 977 % 0x900 + (i % 2 << 15));
			for (int i = 0; i < 6; i++)
			{
				ids[i] = i == 0 ? ROWS - 1 : (i * 7 + form) % ROWS;
				positions[i] = i;
				types[i] = i & 1;
			}
			a.out = got;
			k->embed(&a);
			a.out = want;
			ref->embed(&a);
			/* A narrow row's variance may be small, which makes its roundings large. */
			for (size_t i = 0; i < 6 * d; i++)
				worst = fmax(worst, distance(got[i], want[i], EPS * (20.0 + 400.0 / (double) d)));
			check(worst <= 1.0, "%s embed form %d d %zu: %g of the bound", k->isa, form, d, worst);
			drop(table);
			drop(gamma);
			drop(beta);
			drop(got);
			drop(want);
		}
}

/* Run every test on one table. */
static void
test_table(const LepKernels *k)
{
	size_t rows_max = strncmp(k->isa, "avx512", 6) == 0 || strncmp(k->isa, "neon", 4) == 0 ? 16 : 8;

	test_linear(k, rows_max, 35);
	if (k->same_bits)
		test_linear_same_bits(k);
	test_linear_nan(k);
	test_attention(k);
	test_variants(k);
	test_activations(k);
	test_gate(k);
	test_rows(k);
	test_vectors(k);
	test_widen(k);
	test_embed(k);
}

/* Return the name of a table before k that has the same operators, NULL when there is none. */
static const char *
shared_with(const LepKernels *k)
{
	for (const char *const *name = lep_kernels_names() + 1; strcmp(*name, k->isa) != 0; name++)
	{
		const LepKernels *other = lep_kernels_choose(*name);

		if (other && other->linear == k->linear && other->linear_pack == k->linear_pack &&
			other->attention == k->attention && other->embed == k->embed && other->norm == k->norm)
			return *name;
	}
	return NULL;
}

int
main(void)
{
	char why[256];

	ref = lep_kernels_choose("reference");
	if (!check(ref != NULL, "no reference kernels"))
		return test_done();
	check(lep_kernels_choose("blas") == NULL, "blas offered before it was loaded");
	check(lep_kernels_choose("sse9") == NULL, "unknown name accepted");
	check(lep_kernels_choose("auto") != NULL, "auto found nothing");
	printf("auto is %s\n", lep_kernels_choose("auto")->isa);
	if (!lep_blas_load(why, sizeof(why)))
		printf("no blas: %s\n", why);
	for (const char *const *name = lep_kernels_names() + 1; *name; name++)
	{
		const LepKernels *k = lep_kernels_choose(*name);

		if (k == NULL)
			printf("%s cannot run here\n", *name);
		else if (!check(strcmp(k->isa, *name) == 0, "%s calls itself %s", *name, k->isa))
			continue;
		else if (shared_with(k))
			printf("%s has the operators of %s\n", *name, shared_with(k));
		else
		{
			test_table(k);
			printf("%s ran\n", *name);
		}
	}
	return test_done();
}
