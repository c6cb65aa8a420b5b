package io.lychee.rerank.domain;

/** How far a list got. Later readers of one {@code request_id} prefer the first of these. */
public enum ListStatus {
    /** Every candidate was scored or rejected. */
    COMPLETE,
    /** The deadline came first: scored candidates, then the others in retrieval order. */
    PARTIAL,
    /** Nothing could be scored: the candidates stand in retrieval order. */
    UNSCORED
}
