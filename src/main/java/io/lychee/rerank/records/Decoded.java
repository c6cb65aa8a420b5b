package io.lychee.rerank.records;

import io.lychee.rerank.domain.CandidateList;

/** Holds what a record was decoded to. */
public sealed interface Decoded {

    record Taken(CandidateList list) implements Decoded {}

    record Refused(DeadLetter letter) implements Decoded {}
}
