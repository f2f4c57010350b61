#!/usr/bin/env python3
"""Writes test/unit/head_golden.h: small training sets and scikit-learn's weights for them.

    make_head_golden.py > test/unit/head_golden.h

Needs the scikit-learn of test/requirements.txt.  The weights are those at the
minimum: newton-cg runs until its gradient is below 1e-12.
"""
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression


def clusters(rng, counts, d, spread, offset=0.0, scale=1.0):
    """Rows around one centre per label, rounded so that they print exactly."""
    centres = rng.normal(0, 1, (len(counts), d))
    y = np.repeat(np.arange(len(counts)), counts)
    x = centres[y] + rng.normal(0, spread, (len(y), d))
    order = rng.permutation(len(y))
    return np.round(offset + scale * x[order], 4), y[order]


def array(values, form):
    """Numbers as lines of C."""
    text = [form(v) for v in np.ravel(values)]
    lines = [", ".join(text[i:i + 10]) for i in range(0, len(text), 10)]
    return "{\n\t" + ",\n\t".join(lines) + "}"


def floating(value):
    """The shortest C literal of a float."""
    return str(np.float32(value)) + "f"


def main():
    rng = np.random.default_rng(20)
    cases = [
        ("two labels", clusters(rng, [14, 16], 3, 1.5), 1.0),
        ("two labels, weak penalty", clusters(rng, [25, 10], 4, 1.2), 100.0),
        ("two separable labels", clusters(rng, [10, 10], 5, 0.2), 1e4),
        ("far from the origin", clusters(rng, [20, 12], 3, 1.5, 40.0, 0.25), 10.0),
        ("three labels", clusters(rng, [12, 9, 15], 4, 1.0), 0.5),
        ("strong penalty", clusters(rng, [18, 5, 9, 4], 3, 1.0), 1e-4),
        ("one label has one row", clusters(rng, [11, 1, 12], 3, 0.8), 10.0),
        ("more dimensions than rows", clusters(rng, [5, 6, 4], 20, 1.0), 1.0),
    ]
    print("/*\n * head_golden.h: training sets and the weights that scikit-learn "
          f"{sklearn.__version__} finds for them.\n * Written by test/tools/make_head_golden.py.\n */")
    print("#ifndef LEPTON_HEAD_GOLDEN_H\n#define LEPTON_HEAD_GOLDEN_H\n")
    print("typedef struct Golden\n{\n\tconst char *name;\n\tdouble c;\n\tsize_t n_rows, d, n_labels;\n"
          "\tconst int32_t *y;\t/* [n_rows] */\n\tconst float *x;\t\t/* [n_rows, d] */\n"
          "\tconst float *w;\t\t/* [n_labels, d], softmax form */\n"
          "\tconst float *bias;\t/* [n_labels], their sum zero */\n} Golden;\n")
    entries = []
    for i, (name, (x, y), c) in enumerate(cases):
        x = x.astype(np.float32).astype(np.float64)
        model = LogisticRegression(C=c, solver="newton-cg", tol=1e-12, max_iter=1000).fit(x, y)
        w, b = model.coef_, model.intercept_
        if len(b) == 1:
            w, b = np.vstack([-w / 2, w / 2]), np.concatenate([-b / 2, b / 2])
        b = b - b.mean()
        print(f"static const int32_t golden_y{i}[] = {array(y, str)};")
        print(f"static const float golden_x{i}[] = {array(x, floating)};")
        print(f"static const float golden_w{i}[] = {array(w, floating)};")
        print(f"static const float golden_bias{i}[] = {array(b, floating)};\n")
        entries.append(f'\t{{"{name}", {c!r}, {x.shape[0]}, {x.shape[1]}, {len(b)}, '
                       f"golden_y{i}, golden_x{i}, golden_w{i}, golden_bias{i}}},\n")
    print("static const Golden goldens[] = {\n" + "".join(entries) + "};\n\n#endif")


if __name__ == "__main__":
    main()
