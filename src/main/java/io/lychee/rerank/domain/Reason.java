package io.lychee.rerank.domain;

/** Why a candidate was left out, rejected or not scored, or why a list has no scores. */
public enum Reason {
    /** Scored, and beyond the {@code top_n} of its list. */
    TOP_N,
    /** Dropped by a rule. */
    BELOW_THRESHOLD,
    /** Neither text nor image. */
    EMPTY,
    /** More images than {@code image.max-per-candidate}. */
    TOO_MANY_IMAGES,
    /** The image reference leads nowhere, or outside the allowed folders and hosts. */
    IMAGE_NOT_FOUND,
    /** The image's address may not be fetched or read. */
    IMAGE_FORBIDDEN,
    /** The bytes are no image that can be decoded, or not in time. */
    IMAGE_UNREADABLE,
    /** Bytes, pixels or aspect ratio beyond the limits. */
    IMAGE_TOO_LARGE,
    /** Needs more tokens than one pass may hold, or its text more time or memory than encoding may take. */
    OVER_BUDGET,
    /** Did not fit the device's memory even alone. */
    OUT_OF_MEMORY,
    /** The network comes to no number for it: it overflows. */
    NOT_A_NUMBER,
    /** The list's deadline came first. */
    DEADLINE,
    /** The query has neither text nor image. */
    QUERY_EMPTY,
    /** An image of the query is missing or can't be decoded. */
    QUERY_IMAGE
}
