package io.lychee.rerank.gateway;

import io.lychee.rerank.wire.Answer;

/** An answer as it came from the topic, and decoded. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Reply(byte[] record, Answer answer) {}
