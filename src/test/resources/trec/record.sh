#!/bin/sh
# Records trec_eval's numbers: record.sh TREC_EVAL OLDER_TREC_EVAL, run in this folder; see README.md.
set -eu
measures="-m num_q -m num_ret -m num_rel -m num_rel_ret -m map -m recip_rank
  -m ndcg_cut.1,5,10,20 -m recall.1,5,10,20 -m success.1,5,10,20"
for run in first second; do
  # shellcheck disable=SC2086 # several options in one variable
  {
    "$2" -q $measures graded.qrels $run.run >$run.txt
    "$1" -q -c $measures graded.qrels $run.run >$run.complete.txt
    "$1" -q -c -l 2 $measures graded.qrels $run.run >$run.complete.level2.txt
  }
done
