/**
 * Values of a reranker: candidate lists, their answers, and reasons for candidates without a score. This package
 * imports nothing of the project and nothing but the JDK.
 */
@NullMarked
package io.lychee.rerank.domain;

import org.jspecify.annotations.NullMarked;
