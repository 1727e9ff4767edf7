-- Answers that OpenAI's Responses API stores are read, deleted and cancelled by their ids.
CREATE INDEX requests_stored_answer ON requests (response_id) WHERE substr(response_id, 1, 5) = 'resp_';
