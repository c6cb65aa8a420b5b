/** The model provider {@code lychee} of Flink SQL: {@code ML_PREDICT} over candidate lists. */
@NullMarked
package io.lychee.rerank.sql;

import org.jspecify.annotations.NullMarked;
