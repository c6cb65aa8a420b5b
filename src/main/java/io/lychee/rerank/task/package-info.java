/** What a Flink task around an engine needs: its metrics, and the GPUs of its task manager. */
@NullMarked
package io.lychee.rerank.task;

import org.jspecify.annotations.NullMarked;
