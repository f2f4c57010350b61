#!/usr/bin/env bash
# The walls between the rooms: who may include what, and what no room below the server glue may call.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. test/style/check.sh

engine=('src/engine/*.c' 'src/engine/*.h' 'src/engine/*.inc')
kernels=('kernels/*.c' 'kernels/*.h' 'kernels/*.inc' 'kernels/*.cu')
server='postgres\.h|fmgr\.h|miscadmin\.h|(utils|access|executor|storage|catalog|nodes|commands|parser|tcop|common|port|libpq)/'

expect_none "kernels and engine know no server headers" \
	"$(search "#[ ]*include[ ]*[<\"]($server)" "${kernels[@]}" "${engine[@]}")"
expect_none "kernels know neither engine nor server glue" \
	"$(search '#[ ]*include[ ]*"[^"]*(src|engine|store|func)/' "${kernels[@]}")"
expect_none "the engine knows neither store, functions, executor nor worker" \
	"$(search '#[ ]*include[ ]*"[^"]*(store|func|exec|worker)/' "${engine[@]}")"
expect_none "the store knows neither functions, executor nor worker" \
	"$(search '#[ ]*include[ ]*"[^"]*(func|exec|worker)/' 'src/store/*.c' 'src/store/*.h')"
expect_none "the program for the GPU knows no server headers" \
	"$(search "#[ ]*include[ ]*[<\"]($server)" 'src/worker/gpu/*.c' 'src/worker/gpu/*.h' src/worker/protocol.h)"
expect_none "the worker knows neither functions nor executor" \
	"$(search '#[ ]*include[ ]*"[^"]*(func|exec)/' 'src/worker/*.c' 'src/worker/*.h')"
expect_none "functions do not know the executor, which knows neither kernels nor engine" \
	"$(search '#[ ]*include[ ]*"[^"]*exec/' 'src/func/*.c' 'src/func/*.h'; search '#[ ]*include[ ]*"[^"]*(kernels|engine)/' 'src/exec/*.c' 'src/exec/*.h')"
expect_none "CUDA and BLAS headers appear under kernels only" \
	"$(search '#[ ]*include[ ]*[<"](cuda|cublas|cblas|openblas)' 'src/*.c' 'src/*.h')"
expect_none "nothing ends the process" \
	"$(search '\b(abort|exit|_exit|assert)[ ]*\(' 'src/*.c' 'src/*.h' 'kernels/*.c' 'kernels/*.h' 'kernels/*.cu' 'kernels/*.inc' |
		grep -vE ':[0-9]+:[ 	]*(/?\*)' || true)"
expect_none "kernels neither allocate nor read a clock" \
	"$(search '\b(malloc|calloc|realloc|free|clock_gettime|gettimeofday|time)[ ]*\(' 'kernels/*.c' 'kernels/*.inc' 'kernels/x86/*.c' 'kernels/arm/*.c' |
		grep -vE ':[0-9]+:[ 	]*(/?\*)' || true)"
expect_none "each engine source says that it builds without the server" \
	"$(files 'src/engine/*.c' | xargs -r grep -LE '^#define LEPTON_ENGINE_SOURCE' || true)"
expect_none "header guards are LEPTON_..._H" \
	"$(files 'src/*.h' 'kernels/*.h' 'test/*.h' | xargs -r grep -LE '^#ifndef LEPTON_[A-Z0-9_]+_H$' || true)"
finish
