package io.lychee.rerank.gateway;

/** What a client is told instead of an answer: a status, and what was found and what was expected. */
final class HttpError extends RuntimeException {

    private final int status;

    HttpError(int status, String message) {
        // without a stack trace: it is expected, and a flood of bad requests must not cost more than good ones
        super(message, null, false, false);
        this.status = status;
    }

    static HttpError badRequest(String message) {
        return new HttpError(400, message);
    }

    int status() {
        return status;
    }

    String message() {
        return String.valueOf(getMessage());
    }
}
