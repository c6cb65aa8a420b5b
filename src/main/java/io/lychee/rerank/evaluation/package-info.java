/**
 * Ranking quality, with trec_eval's definitions: measures, the interval of a gain, what scores are worth, and a report.
 * May import domain, records (to decode) and config (errors of the user), and knows neither Flink nor the network. One
 * decision to question: a candidate without a judgement counts as irrelevant everywhere, also where thresholds are
 * suggested, so that no two numbers of a report rest on different labels.
 */
@NullMarked
package io.lychee.rerank.evaluation;

import org.jspecify.annotations.NullMarked;
