package io.lychee.rerank.domain;

/** Completeness of an answer. Of several answers to one {@code request_id}, the first of these wins. */
public enum ListStatus {
    /** Every candidate was scored or rejected. */
    COMPLETE,
    /** The deadline came first: scored candidates, then the others in retrieval order. */
    PARTIAL,
    /** Nothing could be scored: the candidates stand in retrieval order. */
    UNSCORED
}
