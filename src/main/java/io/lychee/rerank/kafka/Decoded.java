package io.lychee.rerank.kafka;

import io.lychee.rerank.domain.CandidateList;

/** What became of a record's bytes. */
public sealed interface Decoded {

    record Taken(CandidateList list) implements Decoded {}

    record Refused(DeadLetter letter) implements Decoded {}
}
